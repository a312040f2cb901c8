//! Attacks through WASI: waiting, chance, handles.

use super::attack::Attack;
use super::attack::End::{Dies, ToldEach};
use super::attack::{core, rust};
use super::core::{Core, NOTHING};

const CLOCK: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration"
      (func $alarm (param i64) (result i32)))
    (import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))"#;
const CHANCE: &str =
    r#"(import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))"#;

pub(super) fn attacks() -> Vec<Attack> {
    let clock = |body| Core { imports: CLOCK, body, ..NOTHING };
    let chance = |body| Core { imports: CHANCE, body, ..NOTHING };
    vec![
        core(
            "wait-for-ever",
            "waits for 500 million years",
            clock("i64.const -1 call $alarm call $block i32.const 32768"),
            Dies("timeout"),
        ),
        core(
            "wait-for-nothing",
            "waits for nothing at all",
            clock("i32.const 0 i32.const 0 i32.const 32768 call $poll i32.const 32768"),
            Dies("trap:abi"),
        ),
        core(
            "wait-for-much",
            "waits for the same clock half a million times at once",
            Core {
                memory: "(memory (export \"memory\") 40)",
                ..clock(
                    "(local $at i32) (local $alarm i32)
                     i64.const -1 call $alarm local.set $alarm
                     i32.const 65536 local.set $at
                     (loop local.get $at local.get $alarm i32.store
                       local.get $at i32.const 4 i32.add local.tee $at
                       i32.const 2065536 i32.lt_u br_if 0)
                     i32.const 65536 i32.const 500000 i32.const 32768 call $poll i32.const 32768",
                )
            },
            Dies("limit:handles"),
        ),
        core(
            "alarms-without-number",
            "sets alarms until it may not",
            clock("(loop i64.const -1 call $alarm drop br 0) unreachable"),
            Dies("limit:handles"),
        ),
        core(
            "chance-without-end",
            "wants 2^64 random bytes",
            chance("i64.const -1 i32.const 32768 call $random i32.const 32768"),
            Dies("limit:random"),
        ),
        core(
            "chance-bit-by-bit",
            "takes random bytes, a thousand at a time, again and again",
            chance("(loop i64.const 1000 i32.const 32768 call $random br 0) i32.const 32768"),
            Dies("limit:random"),
        ),
        core(
            "chance-beyond-memory",
            "wants more random bytes than it has memory",
            chance("i64.const 0x400000 i32.const 32768 call $random i32.const 32768"),
            Dies("trap:abi"),
        ),
        rust("files", "reads, writes, links and lists files", ToldEach("denied")),
    ]
}
