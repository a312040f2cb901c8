//! Attacks on the contract between host and guest: addresses, lengths, texts, and traps in every
//! function that the host calls.

use anyhow::Result;
use wit_component::StringEncoding;

use super::attack::End::{Dies, Told};
use super::attack::{Attack, component, core};
use super::core::{Core, NOTHING, modules, with_inner};

const ABI: super::attack::End = Dies("trap:abi");
const ABORT: super::attack::End = Dies("trap:unreachable");

/// An answer `ok(some(payload))` at 32768 with these four words: the media type's address and
/// length, those of the bytes.
macro_rules! output {
    ($type_at:literal, $type_len:literal, $at:literal, $len:literal) => {
        concat!(
            "i32.const 32768 i32.const 0 i32.store8 i32.const 32776 i32.const 1 i32.store8 ",
            "i32.const 32780 i32.const ",
            $type_at,
            " i32.store i32.const 32784 i32.const ",
            $type_len,
            " i32.store i32.const 32788 i32.const ",
            $at,
            " i32.store i32.const 32792 i32.const ",
            $len,
            " i32.store i32.const 32768"
        )
    };
}

/// An answer `err(failure)` whose message is at this address and so long.
macro_rules! message {
    ($at:literal, $len:literal) => {
        concat!(
            "i32.const 32768 i32.const 1 i32.store8 i32.const 32776 i32.const ",
            $at,
            " i32.store i32.const 32780 i32.const ",
            $len,
            " i32.store i32.const 32768"
        )
    };
}

const LOG: &str = r#"(import "mongoqueue:jobs/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
const QUEUE: &str = r#"
    (import "mongoqueue:jobs/queue@0.1.0" "[static]queue.open" (func $open (param i32 i32 i32)))
    (import "mongoqueue:jobs/queue@0.1.0" "[method]queue.put-many"
      (func $put (param i32 i32 i32 i32 i32 i32)))"#;
/// Opens `next`, whose handle is then on the stack.
macro_rules! opened {
    ($rest:literal) => {
        concat!(
            "i32.const 64 i32.const 4 i32.const 32768 call $open i32.const 32772 i32.load ",
            $rest
        )
    };
}
const NEXT: &str = r#"(data (i32.const 64) "next")"#;
const BIG: &str = "(memory (export \"memory\") 300)";

fn it(body: &'static str, more: &'static str) -> Core {
    Core { body, more, ..NOTHING }
}

pub(super) fn answers() -> Vec<Attack> {
    let it = |body| it(body, "");
    vec![
        core(
            "answer-elsewhere",
            "answers at an address outside its memory",
            it("i32.const -8"),
            ABI,
        ),
        core("answer-askew", "answers at an odd address", it("i32.const 32767"), ABI),
        core(
            "answer-of-no-case",
            "answers with a case that the type has not",
            it("i32.const 32768 i32.const 9 i32.store8 i32.const 32768"),
            ABI,
        ),
        core(
            "output-elsewhere",
            "its output lies outside its memory",
            it(output!("64", "1", "0x7fffffff", "100")),
            ABI,
        ),
        core(
            "output-of-4-gigabytes",
            "its output is longer than its memory",
            it(output!("64", "1", "0", "0xffffffff")),
            ABI,
        ),
        core(
            "media-type-of-2-gigabytes",
            "its output's media type is longer than its memory",
            it(output!("64", "0x7fffffff", "0", "0")),
            ABI,
        ),
        core(
            "output-of-16-megabytes",
            "outputs all of its memory",
            Core { memory: BIG, ..it(output!("64", "1", "0", "0x1000000")) },
            Dies("limit:hostcall"),
        ),
        core(
            "output-over-its-limit",
            "outputs 2 MiB",
            Core { memory: BIG, ..it(output!("64", "1", "0", "0x200000")) },
            Dies("limit:output"),
        ),
        core(
            "message-of-16-megabytes",
            "fails with a message of 16 MiB",
            Core { memory: BIG, ..it(message!("0", "0x1000000")) },
            Dies("limit:hostcall"),
        ),
        core(
            "output-of-no-media-type",
            "outputs bytes whose media type is empty",
            it(output!("64", "0", "0", "1")),
            Told("bad-output"),
        ),
    ]
}

pub(super) fn texts() -> Vec<Attack> {
    let utf16 = StringEncoding::UTF16;
    vec![
        core(
            "text-no-utf8",
            "fails with a message that is no UTF-8",
            it(message!("64", "4"), r#"(data (i32.const 64) "a\ff\fez")"#),
            ABI,
        ),
        core(
            "text-surrogate",
            "fails with a message that has a surrogate, as UTF-8",
            it(message!("64", "3"), r#"(data (i32.const 64) "\ed\a0\80")"#),
            ABI,
        ),
        core(
            "text-cut",
            "fails with a message that ends within a character",
            it(message!("64", "2"), r#"(data (i32.const 64) "\e2\82\ac")"#),
            ABI,
        ),
        core(
            "text-lone-surrogate",
            "fails with a message that has half a pair of surrogates, as UTF-16",
            Core {
                strings: utf16,
                ..it(message!("64", "2"), r#"(data (i32.const 64) "a\00\00\d8")"#)
            },
            ABI,
        ),
        core(
            "text-utf16-askew",
            "fails with a message in UTF-16 at an odd address",
            Core { strings: utf16, ..it(message!("65", "2"), "") },
            ABI,
        ),
        core(
            "text-utf16-overflow",
            "fails with a message in UTF-16 whose length in bytes has no 32 bits",
            Core { strings: utf16, ..it(message!("64", "0x80000001"), "") },
            ABI,
        ),
    ]
}

pub(super) fn calls() -> Vec<Attack> {
    let log = |body| Core { imports: LOG, ..it(body, "") };
    let queue = |body, memory| Core { imports: QUEUE, memory, ..it(body, NEXT) };
    vec![
        core(
            "line-elsewhere",
            "logs a text outside its memory",
            log("i32.const 1 i32.const -100 i32.const 50 call $log i32.const 32768"),
            ABI,
        ),
        core(
            "line-around-the-end",
            "logs a text whose address and length together pass 32 bits",
            log("i32.const 1 i32.const -2 i32.const -1 call $log i32.const 32768"),
            ABI,
        ),
        core(
            "line-of-no-level",
            "logs at a level that there isn't",
            log("i32.const 77 i32.const 0 i32.const 0 call $log i32.const 32768"),
            ABI,
        ),
        core(
            "line-of-16-megabytes",
            "logs a line of 16 MiB",
            Core {
                memory: BIG,
                ..log("i32.const 1 i32.const 0 i32.const 0x1000000 call $log i32.const 32768")
            },
            Dies("limit:hostcall"),
        ),
        core(
            "list-of-a-billion",
            "puts a billion empty jobs that are not there",
            queue(
                opened!(
                    "i32.const 0 i32.const 1000000000 i32.const 0 i32.const 0 \
                         i32.const 32768 call $put i32.const 32768"
                ),
                NOTHING.memory,
            ),
            ABI,
        ),
        core(
            "list-of-a-million",
            "puts a million empty jobs that are there",
            queue(
                opened!(
                    "i32.const 65536 i32.const 1000000 i32.const 0 i32.const 0 \
                         i32.const 32768 call $put i32.const 32768"
                ),
                BIG,
            ),
            Dies("limit:hostcall"),
        ),
        core(
            "list-of-the-same",
            "puts a thousand jobs whose payloads are all the same two mebibytes",
            queue(
                concat!(
                    "(local $n i32) (loop ",
                    "local.get $n i32.const 16 i32.mul i32.const 0x1fffff i32.store offset=65548 ",
                    "local.get $n i32.const 1 i32.add local.tee $n ",
                    "i32.const 1000 i32.lt_u br_if 0) ",
                    opened!(
                        "i32.const 65536 i32.const 1000 i32.const 0 i32.const 0 \
                             i32.const 32768 call $put i32.const 32768"
                    )
                ),
                BIG,
            ),
            Dies("limit:hostcall"),
        ),
        core(
            "list-askew",
            "puts a list of jobs at an odd address",
            queue(
                opened!(
                    "i32.const 65 i32.const 1 i32.const 0 i32.const 0 \
                         i32.const 32768 call $put i32.const 32768"
                ),
                NOTHING.memory,
            ),
            ABI,
        ),
        core(
            "result-elsewhere",
            "has the host write its answer outside its memory",
            queue(
                "i32.const 64 i32.const 4 i32.const -64 call $open i32.const 32768",
                NOTHING.memory,
            ),
            ABI,
        ),
        core(
            "handle-out-of-thin-air",
            "puts by a handle that it was never given",
            queue(
                "i32.const 4242 i32.const 0 i32.const 0 i32.const 0 i32.const 0 i32.const 32768 \
                 call $put i32.const 32768",
                NOTHING.memory,
            ),
            ABI,
        ),
    ]
}

pub(super) fn rooms() -> Vec<Attack> {
    let realloc = |realloc| Core { realloc, ..NOTHING };
    vec![
        core(
            "room-elsewhere",
            "its allocator answers an address outside its memory",
            realloc("i32.const -64"),
            ABI,
        ),
        core(
            "room-at-the-end",
            "its allocator answers its last byte",
            realloc("i32.const 65535"),
            ABI,
        ),
        core("room-askew", "its allocator answers odd addresses", realloc("i32.const 1025"), ABI),
        core(
            "room-for-everything",
            "its allocator answers the same address each time, even for what is in use",
            realloc("i32.const 0"),
            super::attack::End::Completes,
        ),
        core("trap-in-realloc", "traps in its allocator", realloc("unreachable"), ABORT),
        core(
            "trap-in-start",
            "traps in its start function",
            it(NOTHING.body, "(func $start unreachable) (start $start)"),
            ABORT,
        ),
        component(
            "trap-in-inner-start",
            "traps in the start function of a component inside it",
            || -> Result<Vec<u8>> { with_inner(&modules(1, "(func $s unreachable) (start $s)")?) },
            ABORT,
        ),
        core("trap-in-handle", "traps in `handle`", it("unreachable", ""), ABORT),
        core(
            "trap-in-post-return",
            "traps in the function that frees its answer",
            it(
                NOTHING.body,
                r#"(func (export "cabi_post_mongoqueue:jobs/handler@0.1.0#handle") (param i32)
                     unreachable)"#,
            ),
            ABORT,
        ),
        core(
            "call-of-nothing",
            "calls through an empty place of a table",
            it("i32.const 0 call_indirect (result i32)", "(table 1 funcref)"),
            Dies("trap:indirect-call-to-null"),
        ),
        core(
            "call-of-another-type",
            "calls a function as if it were of another type",
            it(
                "i32.const 0 call_indirect (result i32)",
                "(table 1 funcref) (elem (i32.const 0) func $other) (func $other)",
            ),
            Dies("trap:bad-signature"),
        ),
        core(
            "read-elsewhere",
            "reads beyond its memory",
            it("i32.const -1 i64.load offset=0xffffffff drop i32.const 32768", ""),
            Dies("trap:memory-out-of-bounds"),
        ),
        core(
            "name-of-escapes",
            "has functions whose names are commands for a terminal, and traps in them",
            it(
                "call $r",
                r#"(func $r (@name "\1b[2J\1b]0;owned\07\n  0: innocent") (result i32) unreachable)"#,
            ),
            ABORT,
        ),
    ]
}
