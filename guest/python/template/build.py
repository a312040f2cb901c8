"""Makes a component of a handler: writes build/handler.wasm, and bindings/ for editors and tests."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BINDINGS = HERE / "bindings"


def componentize(*args: str) -> None:
    tool = Path(sys.executable).with_name("componentize-py")
    subprocess.run([tool, "-d", HERE / "wit", "-w", "handler", *args], check=True)


def bindings() -> None:
    """Functions and types of the host as Python sees them, without a host behind."""
    componentize("bindings", str(BINDINGS))


if __name__ == "__main__":
    if not BINDINGS.exists():
        bindings()
    (HERE / "build").mkdir(exist_ok=True)
    component = HERE / "build" / "handler.wasm"
    componentize("componentize", "-p", str(HERE / "src"), "-o", str(component), "handler")
    print(f"build/handler.wasm: {component.stat().st_size / 1e6:.1f} MB")
