//! Files for `work` that are broken at random: each is taken, or told where it is wrong.

use anyhow::{Result, ensure};
use mongoqueue_tests::fuzz::fuzz;

use crate::policy::Policy;

const WHOLE: &str = r#"
concurrency = 3
lease = "1m"
grace = "30s"
until_empty = true

[host]
memory = "4GiB"
compile_time = "2m"
components = 0x10

[queue.emails]
component = "e.wasm"
digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
signed_by = ["team.pub.pem"]
queues = { next = "reports" }
consume = { work = "emails" }
memory = "128MiB"
cpu = "10s"
puts = 7
waiting = 50_000
component_size = "1MiB"
config = { region = "eu" }
secrets = { token = { env = "T" }, key = { file = "key.txt" } }
folders = { "/t" = "templates" }
clock = "10ms"

[[queue.emails.http]]
host = "*.example.com"
port = 8080
methods = ["GET", "post"]
secrets = ["token"]
private = true
plain = true

[queue."odd name"]
component = 'a\b.wasm'
"#;

const WORDS: [&[u8]; 20] = [
    b"[queue.a]\n",
    b"[[queue.emails.http]]\n",
    b"\"",
    b"'''",
    b"\"\"\"",
    b"=",
    b"\n",
    b"{",
    b"[",
    b"#",
    b"\\u0007",
    b"\\U0010ffff",
    b"\0",
    b"\xff",
    "\u{202e}é".as_bytes(),
    b"9223372036854775808",
    b"1e999",
    b"nan",
    b"1979-05-27T07:32:00Z",
    b"a.b.c.d.e",
];

#[test]
fn hostile_files_are_taken_or_told_where_they_are_wrong() -> Result<()> {
    let seeds =
        [WHOLE, "a = 1", "[queue]\na.component = \"a\"", ""].map(|it| it.as_bytes().to_vec());
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("work.toml");
    fuzz(&seeds, &WORDS, |text| {
        std::fs::write(&path, text)?;
        let (policy, findings) = match Policy::read(&path) {
            Ok((policy, findings)) => (Some(policy), findings),
            Err(findings) => (None, findings),
        };
        ensure!(policy.is_some() || findings.has_errors(), "refused for nothing");
        let text = String::from_utf8_lossy(text);
        let lines: Vec<&str> = text.split('\n').collect();
        for finding in findings.all() {
            let (line, column) = (finding.place.line, finding.place.column);
            let there = match line {
                0 => column == 0,
                line => lines.get(line - 1).is_some_and(|it| column <= it.chars().count() + 1),
            };
            ensure!(there, "{finding:?} is nowhere");
            ensure!(finding.what.len() < 1_000, "{finding:?}");
        }
        // Nothing in the file can say a line of its own.
        let said = findings.lines();
        let told = said.lines().filter(|line| !line.starts_with("  ")).count();
        ensure!(told == findings.all().len(), "{said}");
        Ok(())
    })
}
