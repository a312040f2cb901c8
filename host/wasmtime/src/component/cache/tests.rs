use super::*;

/// The smallest component: none of anything.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

struct Bench {
    folder: tempfile::TempDir,
    engine: Engine,
    cache: Cache,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let engine = Engine::default();
    let path = folder.path().join("cache");
    let cache = Cache::open(path, &engine, u64::MAX).expect("a private folder");
    Bench { folder, engine, cache }
}

impl Bench {
    fn keep(&self, digest: &str) {
        let component = Component::from_binary(&self.engine, EMPTY).expect("a valid component");
        self.cache.keep(&component, digest).expect("room on the disk");
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.cache.folder).expect("the folder is there");
        entries.map(|entry| entry.expect("a file").path()).collect()
    }

    fn finds(&self, digest: &str) -> bool {
        self.cache.find(&self.engine, digest).is_some()
    }
}

#[test]
fn what_was_kept_is_found_under_its_digest_only() {
    let bench = bench();
    bench.keep("aa");
    assert!(bench.finds("aa") && !bench.finds("ab") && !bench.finds("a"));
    // Another process keeps the same one: no second file, and no harm.
    bench.keep("aa");
    assert_eq!(bench.files().len(), 1);
}

#[test]
fn a_file_that_was_changed_is_removed_and_not_used() {
    let bench = bench();
    bench.keep("aa");
    let file = &bench.files()[0];
    let mut code = fs::read(file).expect("the file is there");
    let middle = code.len() / 2;
    code[middle] ^= 1;
    fs::write(file, &code).expect("it can be written");
    assert!(!bench.finds("aa"));
    assert!(bench.files().is_empty());

    bench.keep("aa");
    fs::write(&bench.files()[0], b"").expect("it can be written");
    assert!(!bench.finds("aa"));
}

#[test]
fn files_of_another_engine_are_left_alone() {
    let bench = bench();
    bench.keep("aa");
    let engine = Engine::new(wasmtime::Config::new().epoch_interruption(true)).expect("an engine");
    let folder = bench.cache.folder.clone();
    let other = Cache::open(folder, &engine, u64::MAX).expect("a private folder");
    assert!(other.find(&engine, "aa").is_none());
    assert!(bench.finds("aa"));
}

#[test]
fn the_oldest_are_swept_out() {
    let bench = bench();
    for n in 0..MOST_FILES {
        let path = bench.cache.folder.join(format!("{n}.{EXTENSION}"));
        fs::write(&path, b"").expect("it can be written");
    }
    bench.keep("aa");
    assert_eq!(bench.files().len(), MOST_FILES);
    assert!(bench.finds("aa"));
}

#[test]
fn the_longest_unused_go_when_there_are_too_many_bytes() {
    let mut bench = bench();
    bench.keep("aa");
    let size = fs::metadata(&bench.files()[0]).expect("a file").len();
    // Room for two.
    bench.cache.most_bytes = size * 5 / 2;
    bench.keep("bb");
    for (age, path) in bench.files().into_iter().enumerate() {
        let name = path.to_string_lossy().into_owned();
        let age = if name.contains("/aa-") { 20 } else { 10 + age as u64 };
        let then = SystemTime::now() - Duration::from_secs(age);
        File::open(path).and_then(|file| file.set_modified(then)).expect("it is ours");
    }
    // Used again: now the other one is older.
    assert!(bench.finds("aa"));
    bench.keep("cc");
    assert!(bench.finds("aa") && !bench.finds("bb") && bench.finds("cc"));
    // However little may be there, what was just made stays.
    bench.cache.most_bytes = 0;
    bench.keep("dd");
    assert!(bench.finds("dd"));
    assert_eq!(bench.files().len(), 1);
}

#[test]
fn what_a_process_left_unfinished_is_swept_when_it_is_old() {
    let bench = bench();
    let [old, new] =
        ["old", "new"].map(|name| bench.cache.folder.join(UNFINISHED.to_owned() + name));
    for path in [&old, &new] {
        fs::write(path, b"half").expect("it can be written");
    }
    let then = SystemTime::now() - ABANDONED * 2;
    File::open(&old).and_then(|file| file.set_modified(then)).expect("it is ours");
    bench.keep("aa");
    assert!(!old.exists() && new.exists() && bench.finds("aa"));
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let bench = bench();
    let folder = bench.folder.path().join("open");
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let error = Cache::open(folder, &bench.engine, u64::MAX).err().map(|error| error.to_string());
    let error = error.unwrap_or_default();
    assert!(error.ends_with("others have access to it (mode 755); make it private by `chmod 700`"));
    let mode = fs::metadata(&bench.cache.folder).expect("the folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
