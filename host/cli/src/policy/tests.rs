use mongoqueue_wasmtime::{HostLimits, Limits};

use super::*;

mod fuzz;

fn read(text: &str) -> Result<(Policy, Findings), Findings> {
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    let path = folder.path().join("work.toml");
    std::fs::write(&path, text).unwrap_or_else(|e| panic!("{e}"));
    Policy::read(&path)
}

/// What is found, with its place, one a line.
fn found(text: &str) -> String {
    let findings = match read(text) {
        Ok((_, findings)) | Err(findings) => findings,
    };
    let path = findings.path.display().to_string();
    findings.lines().replace(&path, "f")
}

#[test]
fn a_file_says_all_that_the_command_line_can_and_the_grants() {
    let text = r#"
        concurrency = 3
        lease = "1m"
        until_empty = true
        [queue.emails]
        component = "e.wasm"
        queues = { next = "reports" }
        memory = "128MiB"
        config = { region = "eu" }
        secrets = { token = { env = "T" }, key = { file = "key.txt" } }
        folders = { "/t" = "templates" }
        clock = "10ms"
        [[queue.emails.http]]
        host = "api.example.com"
        methods = ["get"]
        secrets = ["token", "key"]
        [[queue.emails.http]]
        host = "10.0.0.7"
        port = 8080
        plain = true
        private = true
    "#;
    let (policy, findings) = read(text).unwrap_or_else(|e| panic!("{}", e.lines()));
    assert_eq!(findings.all(), []);
    assert_eq!((policy.concurrency, policy.until_empty), (Some(3), true));
    assert_eq!((policy.lease, policy.grace), (Some(Duration::from_secs(60)), None));
    let emails = &policy.queues["emails"];
    assert!(emails.component.is_absolute() && emails.component.ends_with("e.wasm"));
    assert_eq!(
        (emails.queues["next"].as_str(), emails.budget.memory),
        ("reports", Some(128 << 20))
    );
    let powers = &emails.powers;
    let http: Vec<String> = powers.http.iter().map(ToString::to_string).collect();
    assert_eq!(http, ["GET https://api.example.com", "http://10.0.0.7:8080"]);
    assert_eq!(powers.secrets["token"].kept, Kept::Variable("T".to_owned()));
    assert!(matches!(&powers.secrets["key"].kept, Kept::File(path) if path.ends_with("key.txt")));
    assert!(powers.folders["/t"].path.ends_with("templates"));
    assert_eq!(powers.config["region"], "eu");
    assert_eq!(powers.clock, Some(Duration::from_millis(10)));
}

#[test]
fn what_is_misspelt_is_named_with_what_it_may_be() {
    let text = "\nconcurency = 3\n[queue.a]\ncomponent = \"a\"\nmemroy = \"1MiB\"\nfoo = 1";
    insta::assert_snapshot!(found(text), @r"
    f:2:1: error: the file has no field `concurency`
      Did you mean `concurrency`?
    f:5:1: error: queue.a has no field `memroy`
      Did you mean `memory`?
    f:6:1: error: queue.a has no field `foo`
      It may have: component, digest, signed_by, queues, consume, config, secrets, http, folders, clock, memory, cpu, tables, instances, handles, hostcall, payload, output, saved, log, log_lines, log_tail, stderr, random, puts, put_bytes, puts_per_second, waiting, notes_per_second, saves_per_second, asks_per_second, http_requests, http_open, http_bytes, http_headers, leases, wait, component_size.
    ");
}

#[test]
fn what_has_another_type_is_told_its_own() {
    let text = r#"
        lease = 30
        grace = "30"
        concurrency = 0
        until_empty = "yes"
        [queue.a]
        component = 1
        memory = "lots"
        puts = 1.5
        queues = ["x"]
        consume = { a = 1 }
        http = { host = "x" }
    "#;
    insta::assert_snapshot!(found(text), @r#"
    f:2:17: error: `lease` is a duration, as a text, not a number
      Such as: lease = "30s"
    f:3:17: error: `grace` can't be "30": a number needs its unit (30ms, 30s, 30m or 30h) in "30"
      Such as: grace = "30s"
    f:4:23: error: `concurrency` can't be 0
      It is from 1 to 10000.
    f:5:23: error: `until_empty` is true or false, not a text
      Such as: until_empty = true
    f:7:21: error: `component` is a text, not a number
      Such as: component = "emails.wasm"
    f:8:18: error: `memory` can't be "lots": no such unit "lots" (KiB, MiB, GiB, kB, MB, GB)
      Such as: memory = "64MiB"
    f:9:16: error: `puts` is a whole number, not a number with a fraction
      Such as: puts = 0
    f:10:18: error: `queues` is a table, not a list
      Such as: queues = { next = "reports" }
    f:11:25: error: `consume` is a text, not a number
      Such as: consume = { work = "letters" }
    f:12:16: error: `http` is a list, not a table
      Such as: http = [{ host = "api.example.com", methods = ["GET"] }]
    "#);
    insta::assert_snapshot!(found("queue = 3"), @r"
    f:1:9: error: `queue` is a table, not a number
      Begin its table with [queue.NAME]
    ");
    insta::assert_snapshot!(found("[queue]\na = 1\nb = { component = \"b\", puts = -1 }"), @r"
    f:2:5: error: `queue` is a table, not a number
      Begin its table with [queue.NAME]
    f:3:31: error: `puts` can't be -1
      It is from 0 to 4294967295.
    ");
}

#[test]
fn grants_that_mean_nothing_are_refused() {
    let text = r#"
        [queue.a]
        component = "a.wasm"
        folders = { templates = "t" }
        secrets = { unused = { env = "U" }, both = { env = "A", file = "b" }, none = {} }
        http = [
            { host = "https://api.example.com/x", methods = ["GET"] },
            { host = "x", methods = ["GET it"], port = 0 },
            { methods = ["GET"] },
            { host = "y", secrets = ["token"], header = "x" },
            "z",
        ]
    "#;
    insta::assert_snapshot!(found(text), @r#"
    f:4:19: error: the component's path of a folder begins with `/`, "templates" doesn't
      Such as: folders = { "/templates" = "templates" }
    f:5:30: warning: no request may carry the secret `unused`
      Add secrets = ["unused"] to the hosts that it is for.
    f:5:52: error: a secret is kept in a variable of the environment, or in a file
      Such as: secrets = { token = { env = "API_TOKEN" } }
    f:5:86: error: a secret is kept in a variable of the environment, or in a file
      Such as: secrets = { token = { env = "API_TOKEN" } }
    f:7:22: error: "https://api.example.com/x" is no host: a name such as "api.example.com", "*.example.com" for all names below it, or an IP address; scheme, port and path don't belong here
    f:8:38: error: "GET it" is no method of HTTP: it is a word such as "GET"
    f:8:56: error: `port` can't be 0
      It is from 1 to 65535.
    f:9:13: error: http has no `host`
      Add: host = "api.example.com"
    f:10:38: error: there is no secret `token`
      Say where it is kept: secrets = { token = { env = "…" } }
    f:10:48: error: http has no field `header`
      It may have: host, port, plain, private, methods, secrets.
    f:11:13: error: `http` is a table, not a text
      Such as: http = [{ host = "api.example.com", methods = ["GET"] }]
    "#);
}

#[test]
fn what_is_no_toml_is_shown_where() {
    insta::assert_snapshot!(found("lease = \"30s\nx\n[queue.a\ncomponent = "), @r#"
    f:1:13: error: this is no TOML: invalid basic string, expected `"`
    f:2:2: error: this is no TOML: key with no value, expected `=`
    f:3:9: error: this is no TOML: unclosed table, expected `]`
    "#);
    assert!(read("\u{0}").is_err());
}

#[test]
fn every_limit_can_be_said() {
    let text = r#"
        [host]
        memory = "4GiB"
        compile_time = "3m"
        compile_memory = "5GiB"
        components = 6
        cache = "7GiB"
        [queue.a]
        component = "a.wasm"
        memory = "1B"
        cpu = "2s"
        tables = 3
        instances = 4
        handles = 5
        hostcall = "6B"
        payload = "7B"
        output = "8B"
        saved = "9B"
        log = "10B"
        log_lines = 11
        log_tail = "12B"
        stderr = "13B"
        random = "14B"
        puts = 15
        put_bytes = "16B"
        puts_per_second = 17
        waiting = 18
        notes_per_second = 19
        saves_per_second = 20
        asks_per_second = 21
        http_requests = 22
        http_open = 23
        http_bytes = "24B"
        http_headers = "25B"
        leases = 26
        wait = "27s"
        component_size = "28B"
    "#;
    let (policy, findings) = read(text).unwrap_or_else(|e| panic!("{}", e.lines()));
    assert_eq!(findings.all(), []);
    let limits = Limits {
        memory: 1,
        cpu: Duration::from_secs(2),
        table_elements: 3,
        instances: 4,
        handles: 5,
        hostcall_bytes: 6,
        payload_bytes: 7,
        output_bytes: 8,
        saved_bytes: 9,
        log_bytes: 10,
        log_lines: 11,
        log_tail: 12,
        stderr_tail: 13,
        random_bytes: 14,
        puts: 15,
        put_bytes: 16,
        puts_per_second: 17,
        waiting: 18,
        notes_per_second: 19,
        saves_per_second: 20,
        asks_per_second: 21,
        http_requests: 22,
        http_open: 23,
        http_bytes: 24,
        http_header_bytes: 25,
        leases: 26,
        wait: Duration::from_secs(27),
        component_bytes: 28,
    };
    assert_eq!(policy.queues["a"].budget.limits(), limits);
    let host = HostLimits {
        memory: Some(4 << 30),
        compile_time: Duration::from_secs(180),
        compile_memory: 5 << 30,
        components: 6,
        cache_bytes: 7 << 30,
    };
    assert_eq!(policy.host.limits(), host);
    assert_eq!(Host::default().limits(), HostLimits::default());
}

#[test]
fn limits_that_mean_nothing_are_refused() {
    let text = r#"
        [host]
        memory = 4
        compile-time = "2m"
        components = -1
        disk = "1GiB"
        [queue.a]
        component = "a.wasm"
        puts_per_secnd = 1
        waiting = 5000000000
        random = "16"
    "#;
    insta::assert_snapshot!(found(text), @r#"
    f:3:18: error: `memory` is a size, as a text, not a number
      Such as: memory = "64MiB"
    f:4:9: error: host has no field `compile-time`
      Did you mean `compile_time`?
    f:5:22: error: `components` can't be -1
      It is from 0 to 4294967295.
    f:6:9: error: host has no field `disk`
      It may have: memory, compile_time, compile_memory, components, cache.
    f:9:9: error: queue.a has no field `puts_per_secnd`
      Did you mean `puts_per_second`?
    f:10:19: error: `waiting` can't be 5000000000
      It is from 0 to 4294967295.
    "#);
    insta::assert_snapshot!(found("host = 3"), @r"
    f:1:8: error: `host` is a table, not a number
      Begin its table with [host]
    ");
}

#[test]
fn what_never_fits_the_host_is_told_beforehand() {
    let text = "host = { memory = \"100MiB\", components = 1 }\n[queue.a]\ncomponent = \"a\"\n\
                memory = \"100MiB\"\n[queue.b]\ncomponent = \"b\"\nmemory = \"101MiB\"";
    let (policy, _) = read(text).unwrap_or_else(|e| panic!("{}", e.lines()));
    let findings = Findings::new(Path::new("f"), policy.too_large());
    insta::assert_snapshot!(findings.lines(), @r"
    f:5:1: error: it may have 105906176 bytes of memory, and all components together have 104857600
      Give it less as `memory`, or the host more as `memory` under [host].
    f:5:1: error: 2 queues are served, and 1 components are loaded
      Allow more as `components` under [host].
    ");
}
