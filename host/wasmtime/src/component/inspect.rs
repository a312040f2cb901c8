//! What a component exports and imports, read from its first level without compiling anything.

use wasmparser::{Encoding, Parser, Payload};
use wasmtime::Engine;

use super::Digest;
use super::imports::{self, Import};

/// What is known of a component before it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// SHA-256 of the bytes, in hexadecimal.
    pub digest: String,
    /// The version that it carries, as `wasm-tools metadata add --version` writes it; cut at 100
    /// bytes. Its author's words: to be escaped where it is shown.
    pub version: Option<String>,
    /// In bytes.
    pub size: usize,
    /// What it is.
    pub kind: Kind,
    /// The names of what it exports.
    pub exports: Vec<String>,
    /// What it imports, and what that takes.
    pub imports: Vec<Import>,
    /// Bytes that the largest of its memories has from the start.
    pub memory: u64,
}

/// What some bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A component that exports `mongoqueue:jobs/handler`: it serves a queue.
    Handler,
    /// A component that exports `wasi:cli/run`: a program, for instance one with a loop of its own.
    Program,
    /// Some other component.
    Component,
    /// A core module, which has no types that a handler could be called by.
    CoreModule,
    /// A component in the text format.
    Text,
    /// Machine code, for instance made from a component. Never accepted: it would run unchecked.
    MachineCode,
    /// Nothing of the sort, and why.
    Broken(String),
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Handler => "a handler",
            Self::Program => "a program",
            Self::Component => "a component that is neither handler nor program",
            Self::CoreModule => "a core WebAssembly module",
            Self::Text => "WebAssembly text",
            Self::MachineCode => "machine code",
            Self::Broken(why) => return write!(f, "no component ({why})"),
        })
    }
}

/// A page of memory; components can't have others here.
const PAGE: u64 = 64 << 10;

/// Components in components: toolchains make three levels or four. The time that wasmtime takes
/// for them grows faster than their number, to many minutes for a hundred thousand.
const DEPTH: u32 = 50;

/// Says what some bytes are, and what they would need granted to run. Takes about as long as the
/// digest; a component that is broken further inside shows when it is loaded.
pub fn inspect(bytes: &[u8]) -> Inspection {
    let mut inspection = Inspection {
        digest: Digest::of(bytes).hex(),
        version: None,
        size: bytes.len(),
        kind: Kind::Component,
        exports: Vec::new(),
        imports: Vec::new(),
        memory: 0,
    };
    inspection.kind = if Engine::detect_precompiled(bytes).is_some() || is_elf(bytes) {
        Kind::MachineCode
    } else if is_text(bytes) {
        Kind::Text
    } else {
        read(bytes, &mut inspection).unwrap_or_else(Kind::Broken)
    };
    inspection
}

fn read(bytes: &[u8], inspection: &mut Inspection) -> Result<Kind, String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    if !bytes.starts_with(b"\0asm") {
        return Err("it doesn't start as WebAssembly does".to_owned());
    }
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| error.to_string())? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Ok(Kind::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } if depth == DEPTH => {
                return Err(format!("its parts are nested deeper than {DEPTH}"));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.map_err(|error| error.to_string())?.name.name;
                    inspection.imports.push(Import::new(name));
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export.map_err(|error| error.to_string())?.name.name;
                    inspection.exports.push(name.to_owned());
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let pages = memory.map_err(|error| error.to_string())?.initial;
                    inspection.memory = inspection.memory.max(pages.saturating_mul(PAGE));
                }
            }
            Payload::CustomSection(section) if depth == 0 && section.name() == "version" => {
                inspection.version = version(section.data());
            }
            _ => {}
        }
    }
    let exports = &inspection.exports;
    Ok(if exports.iter().any(|name| imports::is_handler(name)) {
        Kind::Handler
    } else if exports.iter().any(|name| imports::is_run(name)) {
        Kind::Program
    } else {
        Kind::Component
    })
}

/// Made by another version of wasmtime, or a program: machine code all the same.
fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

fn is_text(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    text.starts_with(b"(") || text.starts_with(b";;")
}

/// Versions are short; whoever has more to say in this place has no version.
const VERSION_BYTES: usize = 100;

/// What no version could be (no text, nothing) is none.
fn version(data: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(data).ok()?.trim();
    let end = text.floor_char_boundary(VERSION_BYTES);
    text.get(..end).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Need;

    /// A component with no more than imports and exports of empty instances.
    fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        let mut section = |id: u8, items: Vec<Vec<u8>>| {
            let mut body = vec![items.len() as u8];
            body.extend(items.concat());
            bytes.extend([id, body.len() as u8]);
            bytes.extend(body);
        };
        let name = |name: &str| [&[0, name.len() as u8], name.as_bytes()].concat();
        // One type: an instance without items.
        section(7, vec![vec![0x42, 0]]);
        let import = |import: &&str| [name(import), vec![5, 0]].concat();
        section(10, imports.iter().map(import).collect());
        // The first import, under another name.
        let export = |export: &&str| [name(export), vec![5, 0, 0]].concat();
        section(11, exports.iter().map(export).collect());
        bytes
    }

    #[test]
    fn a_handler_shows_its_imports_and_what_they_take() {
        let bytes = component(
            &[
                "mongoqueue:jobs/queue@0.1.3",
                "wasi:cli/environment@0.2.6",
                "wasi:http/types@0.2.0",
                "wasi:sockets/tcp@0.3.0",
            ],
            &["mongoqueue:jobs/handler@0.1.0"],
        );
        let inspection = inspect(&bytes);
        assert_eq!(inspection.kind, Kind::Handler);
        assert_eq!(inspection.exports, ["mongoqueue:jobs/handler@0.1.0"]);
        let needs: Vec<&Need> = inspection.imports.iter().map(|import| &import.need).collect();
        let [Need::Queue, Need::Nothing, Need::Http, Need::Unavailable(_)] = needs[..] else {
            panic!("{needs:?}")
        };
        assert_eq!(inspection.size, bytes.len());
    }

    #[test]
    fn programs_and_others_are_told_apart() {
        let program = component(&["wasi:io/poll@0.2.0"], &["wasi:cli/run@0.2.6"]);
        assert_eq!(inspect(&program).kind, Kind::Program);
        let other = component(&["a:b/c"], &["mongoqueue:jobs/handler@0.2.0"]);
        assert_eq!(inspect(&other).kind, Kind::Component);
    }

    #[test]
    fn whatever_else_it_is_has_a_name() {
        assert_eq!(inspect(b"\0asm\x01\0\0\0").kind, Kind::CoreModule);
        assert_eq!(inspect(b"\n  (component)").kind, Kind::Text);
        assert_eq!(inspect(b"\x7fELF\x02\x01\x01").kind, Kind::MachineCode);
        for junk in [&b""[..], b"hello", b"\0asm", b"\0asm\x0d\0\x01\0\x0a\xff\xff\xff\xff\x0f"] {
            assert!(matches!(inspect(junk).kind, Kind::Broken(_)), "{junk:?}");
        }
    }

    #[test]
    fn a_version_is_what_the_component_itself_says() {
        let custom = |name: &str, data: &[u8]| {
            let body = [&[name.len() as u8], name.as_bytes(), data].concat();
            [&[0, body.len() as u8], &body[..]].concat()
        };
        let of = |data: &[u8]| {
            let bytes = [component(&["a:b/c"], &["a:b/d"]), custom("version", data)].concat();
            inspect(&bytes).version
        };
        assert_eq!(of(b"1.2.3").as_deref(), Some("1.2.3"));
        assert_eq!(of("ä".repeat(55).as_bytes()).map(|version| version.len()), Some(100));
        assert_eq!((of(b""), of(b" \n"), of(b"\xff")), (None, None, None));
        // A module inside has a version of its own.
        let module = [&b"\0asm\x01\0\0\0"[..], &custom("version", b"7")].concat();
        let nested = [&[1, module.len() as u8], &module[..]].concat();
        assert_eq!(inspect(&[component(&["a:b/c"], &[]), nested].concat()).version, None);
    }

    #[test]
    fn the_digest_is_sha256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(inspect(b"").digest, empty);
    }
}
