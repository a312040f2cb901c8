//! `mongoqueue completions` and `mongoqueue version`.

use serde_json::json;

use crate::args;
use crate::show::Show;
use crate::trouble::Result;

pub(super) fn completions(show: Show, shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "mongoqueue", &mut script);
    show.line(String::from_utf8_lossy(&script).trim_end())
}

pub(super) fn version(show: Show) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    show.answer(&json!({ "version": version }), || format!("mongoqueue {version}"))
}
