//! Attacks on time, memory and stack.

use super::attack::End::{Dies, Refused};
use super::attack::{Attack, component, core};
use super::core::{Core, NOTHING, modules, with_inner};

const TIMEOUT: super::attack::End = Dies("timeout");
const STACK: super::attack::End = Dies("trap:stack-overflow");

/// Its allocator behaves while the job is handed over, and does `after` from then on.
macro_rules! later {
    ($after:literal) => {
        concat!("global.get $begun if ", $after, " end i32.const 1024")
    };
}

const BEGUN: &str = "(global $begun (mut i32) (i32.const 0))";

/// A call whose answer has a text, for which the host asks the guest's allocator: an empty key is
/// refused in words.
const PUT_OPTIONS: &str = r#"
    (import "mongoqueue:jobs/queue@0.1.0" "[constructor]put-options" (func $options (result i32)))
    (import "mongoqueue:jobs/queue@0.1.0" "[method]put-options.unique-key"
      (func $key (param i32 i32 i32 i32)))"#;
const REMAINING: &str =
    r#"(import "mongoqueue:jobs/context@0.1.0" "remaining" (func $remaining (result i64)))"#;
const ASK: &str = "i32.const 1 global.set $begun \
                   call $options i32.const 0 i32.const 0 i32.const 2048 call $key i32.const 32768";
const FREE_LOOPS: &str =
    r#"(func (export "cabi_post_mongoqueue:jobs/handler@0.1.0#handle") (param i32) (loop br 0))"#;

pub(super) fn loops() -> Vec<Attack> {
    let it = |body, more| Core { body, more, ..NOTHING };
    let endless = |name, does, core_| core(name, does, core_, TIMEOUT);
    vec![
        endless(
            "loop-in-start",
            "loops in its start function",
            Core { more: "(func $start (loop br 0)) (start $start)", ..NOTHING },
        ),
        component(
            "loop-in-inner-start",
            "loops in the start function of a component inside it",
            || with_inner(&modules(1, "(func $start (loop br 0)) (start $start)")?),
            TIMEOUT,
        ),
        endless("loop-in-handle", "loops in `handle`", it("(loop br 0) unreachable", "")),
        endless(
            "loop-in-realloc",
            "loops in the allocator that the host calls to hand the job over",
            Core { realloc: "(loop br 0) unreachable", ..NOTHING },
        ),
        endless(
            "loop-in-host-call",
            "loops in the allocator that the host calls in the middle of a host call",
            Core {
                imports: PUT_OPTIONS,
                body: ASK,
                realloc: later!("(loop br 0)"),
                more: BEGUN,
                ..NOTHING
            },
        ),
        endless(
            "loop-in-post-return",
            "loops in the function that frees its answer",
            it(NOTHING.body, FREE_LOOPS),
        ),
        endless(
            "loop-of-memory-fill",
            "fills all of its memory, again and again",
            it("(loop i32.const 0 i32.const 7 i32.const 65536 memory.fill br 0) unreachable", ""),
        ),
        endless(
            "loop-of-memory-copy",
            "copies its memory, again and again",
            it("(loop i32.const 0 i32.const 8 i32.const 65528 memory.copy br 0) unreachable", ""),
        ),
        endless(
            "loop-of-table-fill",
            "fills a table, again and again",
            it(
                "(loop i32.const 0 ref.null func i32.const 9000 table.fill br 0) unreachable",
                "(table 9000 funcref)",
            ),
        ),
        endless(
            "loop-of-grow-nothing",
            "grows its memory by nothing, again and again",
            it("(loop i32.const 0 memory.grow drop br 0) unreachable", ""),
        ),
        endless(
            "loop-of-refused-grows",
            "asks for memory that it can't have, again and again",
            it("(loop i32.const 65000 memory.grow drop br 0) unreachable", ""),
        ),
        endless(
            "loop-of-host-calls",
            "calls the host, again and again",
            Core { imports: REMAINING, ..it("(loop call $remaining drop br 0) unreachable", "") },
        ),
    ]
}

pub(super) fn stacks() -> Vec<Attack> {
    let it = |body, more| Core { body, more, ..NOTHING };
    vec![
        core(
            "stack-direct",
            "calls itself directly, without end",
            it("call $dive", "(func $dive (result i32) call $dive i32.const 1 i32.add)"),
            STACK,
        ),
        core(
            "stack-indirect",
            "calls itself through a table, without end",
            it(
                "call $dive",
                "(table 1 funcref) (elem (i32.const 0) func $dive) (type $t (func (result i32)))
                 (func $dive (result i32) i32.const 0 call_indirect (type $t) i32.const 1 i32.add)",
            ),
            STACK,
        ),
        core(
            "stack-mutual",
            "two functions with many locals call each other, without end",
            it(
                "i64.const 1 call $one",
                "(func $one (param i64) (result i32) (local i64 i64 i64 i64 v128 v128 v128)
                   local.get 0 call $two i32.const 1 i32.add)
                 (func $two (param i64) (result i32) (local i64 i64 i64 i64 v128 v128 v128)
                   local.get 0 call $one i32.const 2 i32.add)",
            ),
            STACK,
        ),
        core(
            "stack-in-start",
            "calls itself in its start function, without end",
            it(
                NOTHING.body,
                "(func $start call $dive drop) (start $start)
                 (func $dive (result i32) call $dive i32.const 1 i32.add)",
            ),
            STACK,
        ),
        core(
            "stack-in-realloc",
            "its allocator calls itself, without end",
            Core {
                realloc: "local.get 0 local.get 1 local.get 2 local.get 3 call $realloc \
                          i32.const 1 i32.add",
                ..NOTHING
            },
            STACK,
        ),
        core(
            "stack-in-host-call",
            "its allocator calls itself, without end, in the middle of a host call",
            Core {
                imports: PUT_OPTIONS,
                body: ASK,
                realloc: later!(
                    "local.get 0 local.get 1 local.get 2 local.get 3 call $realloc \
                     i32.const 1 i32.add drop"
                ),
                more: BEGUN,
                ..NOTHING
            },
            STACK,
        ),
        core(
            "stack-in-post-return",
            "the function that frees its answer calls itself, without end",
            it(
                NOTHING.body,
                r#"(func $free (export "cabi_post_mongoqueue:jobs/handler@0.1.0#handle") (param i32)
                     local.get 0 call $free global.get $n i32.const 1 i32.add global.set $n)
                   (global $n (mut i32) (i32.const 0))"#,
            ),
            STACK,
        ),
        core(
            "recursion-through-host",
            "calls the host from the allocator that the host calls",
            Core { imports: REMAINING, realloc: "call $remaining drop i32.const 1024", ..NOTHING },
            Dies("trap:cannot-leave-component"),
        ),
        core(
            "recursion-through-answer",
            "calls the host from the allocator that the host calls in a host call",
            Core {
                imports: PUT_OPTIONS,
                body: ASK,
                realloc: later!("call $options drop"),
                more: BEGUN,
                ..NOTHING
            },
            Dies("trap:cannot-leave-component"),
        ),
    ]
}

pub(super) fn memories() -> Vec<Attack> {
    let it = |body, more| Core { body, more, ..NOTHING };
    vec![
        core(
            "memory-one-grow",
            "wants 2 GiB of memory at once",
            it(
                "i32.const 32768 memory.grow i32.const -1 i32.eq if unreachable end i32.const 8",
                "",
            ),
            Dies("memory"),
        ),
        core(
            "memory-small-grows",
            "grows its memory page by page until it may not",
            it("(loop i32.const 1 memory.grow i32.const -1 i32.ne br_if 0) unreachable", ""),
            Dies("memory"),
        ),
        component(
            "memory-of-many",
            "has five memories of 16 MiB in as many instances",
            || with_inner(&modules(5, "(memory 256)")?),
            Dies("load"),
        ),
        component(
            "memories-without-number",
            "has 60 memories",
            || with_inner(&modules(60, "(memory 1)")?),
            Refused("Invalid"),
        ),
        component(
            "memories-in-one-module",
            "has 20 memories in one module",
            || with_inner(&modules(1, &"(memory 1)".repeat(20))?),
            Refused("Invalid"),
        ),
        component(
            "memory-from-the-start",
            "starts with 4 GiB of memory",
            || with_inner(&modules(1, "(memory 65536)")?),
            Refused("NeedsMemory"),
        ),
        component(
            "memory-of-64-bits",
            "has a memory of 2^40 bytes",
            || with_inner(&modules(1, "(memory i64 0x1000000)")?),
            Refused("NeedsMemory"),
        ),
        component(
            "memory-shared",
            "has a memory that is shared between threads",
            || with_inner(&modules(1, "(memory 1 2 shared)")?),
            Refused("Invalid"),
        ),
        core(
            "data-out-of-bounds",
            "has data for an address outside its memory",
            it(NOTHING.body, r#"(data (i32.const 65530) "more than is left")"#),
            Dies("trap:memory-out-of-bounds"),
        ),
        core(
            "table-one-grow",
            "wants a table of a billion elements",
            it(
                "ref.null func i32.const 1000000000 table.grow 0 i32.const -1 i32.eq \
                 if unreachable end i32.const 32768",
                "(table 1 funcref)",
            ),
            Dies("limit:tables"),
        ),
        core(
            "table-small-grows",
            "grows a table by a thousand elements until it may not",
            it(
                "(loop ref.null func i32.const 1000 table.grow 0 i32.const -1 i32.ne br_if 0) \
                 unreachable",
                "(table 1 funcref)",
            ),
            Dies("limit:tables"),
        ),
        component(
            "table-of-many",
            "has 20 tables of 9,000 elements in as many instances",
            || with_inner(&modules(20, "(table 9000 funcref)")?),
            Dies("load"),
        ),
        component(
            "tables-without-number",
            "has 60 tables",
            || with_inner(&modules(60, "(table 1 funcref)")?),
            Refused("Invalid"),
        ),
        component(
            "table-from-the-start",
            "starts with a table of four billion elements",
            || with_inner(&modules(1, "(table 0xffffffff funcref)")?),
            Refused("Invalid"),
        ),
        component(
            "instances-without-number",
            "is made of 10,000 instances",
            || with_inner(&modules(10_000, "")?),
            Refused("Invalid"),
        ),
    ]
}
