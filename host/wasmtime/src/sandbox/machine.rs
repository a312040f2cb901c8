//! How much memory there is: the machine's, or that of the control group, whichever is less.

use std::fs;
use std::path::{Path, PathBuf};

/// In bytes. `None` where the system doesn't say so in the way that Linux does.
pub(super) fn memory() -> Option<u64> {
    let read = |path: &Path| fs::read_to_string(path).ok();
    [total(read), of_groups(read)].into_iter().flatten().min()
}

fn total(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let text = read(Path::new("/proc/meminfo"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1 << 10)
}

/// The smallest limit of this process's control group and of those above it. In a container the
/// group's path may be that outside of it; then the root that is seen from here is its own.
fn of_groups(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let groups = read(Path::new("/proc/self/cgroup"))?;
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, file) = match (number, controllers) {
            ("0", "") => ("/sys/fs/cgroup", "memory.max"),
            (_, it) if it.split(',').any(|it| it == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = PathBuf::from(root).join(path.trim_start_matches('/'));
        let above = group.ancestors().take_while(|group| group.starts_with(root));
        // "max" is no number, and no limit.
        above.filter_map(|group| read(&group.join(file))?.trim().parse::<u64>().ok()).min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> impl Fn(&Path) -> Option<String> {
        move |path| {
            let found = all.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        }
    }

    #[test]
    fn the_machine_says_what_it_has() {
        let meminfo = "MemTotal:       24689764 kB\nMemFree:         1 kB\n";
        assert_eq!(total(files(&[("/proc/meminfo", meminfo)])), Some(24_689_764 << 10));
        for junk in ["", "MemTotal: x kB", "MemTotal: 5", "MemTotal: 99999999999999999999 kB"] {
            assert_eq!(total(files(&[("/proc/meminfo", junk)])), None, "{junk}");
        }
        assert_eq!(total(files(&[])), None);
    }

    #[test]
    fn the_smallest_group_counts() {
        let two = files(&[
            ("/proc/self/cgroup", "0::/pods/one\n"),
            ("/sys/fs/cgroup/pods/one/memory.max", "max\n"),
            ("/sys/fs/cgroup/pods/memory.max", "1000\n"),
            ("/sys/fs/cgroup/memory.max", "3000\n"),
        ]);
        assert_eq!(of_groups(two), Some(1000));
        let one = files(&[
            ("/proc/self/cgroup", "9:cpu:/a\n7:hugetlb,memory:/docker/x\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n"),
        ]);
        assert_eq!(of_groups(one), Some(2000));
        assert_eq!(of_groups(files(&[("/proc/self/cgroup", "0::/\njunk\n")])), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_some() {
        assert!(memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
