//! Handlers in each language, built as a user does it: the template as it stands, by the commands of
//! its README, and the guest that does what every SDK is tried by.

mod folder;

pub use folder::Folder;

/// A language, and how its SDK differs where languages do.
#[derive(Clone, Copy, Debug)]
pub struct Language {
    /// As `mongoqueue new` is told.
    pub name: &'static str,
    /// The conformance guest in the repository, and where in a handler's folder it belongs.
    guest: (&'static str, &'static str),
    /// The examples and their tests in the repository, and where in a handler's folder each belongs:
    /// a folder's files with this end of their names.
    examples: &'static [(&'static str, &'static str, &'static str)],
    /// What a build leaves, in a handler's folder.
    component: &'static str,
    /// How an exception of a defect names itself in the failure's message.
    pub thrown: &'static str,
    /// The kind of that death.
    pub dies_of: &'static str,
}

/// By rustc.
pub const RUST: Language = Language {
    name: "rust",
    guest: ("guest/rust/examples/conformance.rs", "src/lib.rs"),
    // Components that are built anyway: `examples.rs` runs them.
    examples: &[],
    component: "target/wasm32-wasip2/release/handler.wasm",
    thrown: "boom: the fuse",
    dies_of: "trap:unreachable",
};

/// By componentize-js.
pub const JS: Language = Language {
    name: "js",
    guest: ("guest/javascript/conformance/handler.js", "src/handler.js"),
    examples: &[("guest/javascript/examples", "src", ".js")],
    component: "build/handler.wasm",
    thrown: "TypeError: boom: RangeError: the fuse",
    dies_of: "failure",
};

/// By tsc before that.
pub const TS: Language = Language {
    name: "ts",
    guest: ("guest/javascript/conformance/handler.ts", "src/handler.ts"),
    // The tests are those of the other language: what tsc makes has the same names.
    examples: &[
        ("guest/javascript/examples", "src", ".ts"),
        ("guest/javascript/examples", "build", ".test.js"),
    ],
    ..JS
};

/// By componentize-py.
pub const PYTHON: Language = Language {
    name: "python",
    guest: ("guest/python/conformance/handler.py", "src/handler.py"),
    examples: &[("guest/python/examples", "src", ".py")],
    thrown: "TypeError: boom: ValueError: the fuse",
    ..JS
};

/// By clang.
pub const C: Language = Language {
    name: "c",
    guest: ("guest/c/conformance/handler.c", "src/handler.c"),
    examples: &[("guest/c/examples", "examples", ".c"), ("guest/c/tests", "test", ".c")],
    component: "build/handler.wasm",
    ..RUST
};
