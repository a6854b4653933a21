//! The memory limit of the cgroup that this process is in: that of a container or a service.
//!
//! A cgroup is limited by each one above it, too, so the lowest limit on the way up counts. A container
//! sees its own cgroup as the root of the file system, or under the same path as its host does: the
//! table of mounts tells which part is there.

use std::fs;
use std::path::{Path, PathBuf};

/// What the system counts as memory of this process, and how much it allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// The lowest limit that holds, in bytes; `None` if there is none, or none can be read.
    pub limit: Option<u64>,
    /// Whether buffers of sockets count, as they do in version 2.
    pub counts_sockets: bool,
}

impl Cgroup {
    /// That of this process.
    pub fn of_process() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (groups, mounts) = (read("/proc/self/cgroup"), read("/proc/self/mountinfo"));
        Self::seen(&groups, &mounts, |path| fs::read_to_string(path).ok())
    }

    fn seen(groups: &str, mounts: &str, read: impl Fn(&Path) -> Option<String>) -> Self {
        let mut seen = Self::default();
        for line in groups.lines() {
            let Some((mount, file, path)) = hierarchy(line, mounts) else { continue };
            let texts = mount.directories(path).filter_map(|directory| read(&directory.join(file)));
            for text in texts {
                seen.counts_sockets |= file == V2;
                let lower = [seen.limit, number(&text)].into_iter().flatten().min();
                seen.limit = lower;
            }
        }
        seen
    }
}

const V1: &str = "memory.limit_in_bytes";
const V2: &str = "memory.max";

/// Where the hierarchy of a line of `/proc/self/cgroup` is mounted if it limits memory, the name of its
/// file, and the path of the cgroup.
fn hierarchy<'a>(line: &'a str, mounts: &'a str) -> Option<(Mount<'a>, &'static str, &'a str)> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let has_memory = |list: &str| list.split(',').any(|it| it == "memory");
    let (mount, file) = match controllers {
        "" => (mounted(mounts, |kind, _| kind == "cgroup2"), V2),
        _ if has_memory(controllers) => {
            (mounted(mounts, |kind, options| kind == "cgroup" && has_memory(options)), V1)
        }
        _ => return None,
    };
    Some((mount?, file, path))
}

/// Version 1 says with a number near the largest one that there is no limit.
const UNLIMITED: u64 = 1 << 60;

/// `max` is no number, and means that there is no limit.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
}

/// Where a hierarchy is mounted, and which part of it.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
}

/// The first mount of a kind, by file system and options (proc(5), mountinfo).
fn mounted(mounts: &str, is_it: impl Fn(&str, &str) -> bool) -> Option<Mount<'_>> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        is_it(kind, options).then_some(Mount { root, point })
    })
}

impl Mount<'_> {
    /// The directory of a cgroup, and those above it that can be seen.
    fn directories(&self, path: &str) -> impl Iterator<Item = PathBuf> {
        let root = self.root.trim_end_matches('/');
        // A path that is not below the root belongs to another namespace: the root is all there is.
        let below = path.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let below = PathBuf::from(below.unwrap_or_default().trim_start_matches('/'));
        let is_inside = !below.components().any(|part| part.as_os_str() == "..");
        let below = if is_inside { below } else { PathBuf::new() };
        let point = PathBuf::from(self.point);
        let up: Vec<_> = below.ancestors().map(|part| point.join(part)).collect();
        up.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS_V2: &str =
        "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const MOUNTS_V1: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    fn found(groups: &str, mounts: &str, files: &[(&str, &str)]) -> Option<u64> {
        let seen = Cgroup::seen(groups, mounts, |path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| format!("{text}\n"))
        });
        // Where a file of version 2 is read, sockets count.
        assert!(seen.limit.is_none() || seen.counts_sockets == groups.starts_with("0::"));
        seen.limit
    }

    #[test]
    fn a_container_sees_its_cgroup_as_the_root() {
        assert_eq!(
            found("0::/\n", MOUNTS_V2, &[("/sys/fs/cgroup/memory.max", "67108864")]),
            Some(64 << 20)
        );
        assert_eq!(found("0::/\n", MOUNTS_V2, &[("/sys/fs/cgroup/memory.max", "max")]), None);
        assert_eq!(found("0::/\n", MOUNTS_V2, &[]), None);
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_counts() {
        let files = [
            ("/sys/fs/cgroup/a/memory.max", "1048576"),
            ("/sys/fs/cgroup/a/b/memory.max", "max"),
            ("/sys/fs/cgroup/a/b/c/memory.max", "2097152"),
        ];
        assert_eq!(found("0::/a/b/c\n", MOUNTS_V2, &files), Some(1 << 20));
        assert_eq!(found("0::/a\n", MOUNTS_V2, &files), Some(1 << 20));
        assert_eq!(found("0::/d\n", MOUNTS_V2, &files), None);
    }

    #[test]
    fn version_1_is_read_below_the_root_of_its_mount() {
        let own = [("/sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864")];
        assert_eq!(found("4:memory:/docker/abc\n0::/\n", MOUNTS_V1, &own), Some(64 << 20));
        assert_eq!(found("4:cpu,memory:/elsewhere\n", MOUNTS_V1, &own), Some(64 << 20));
        assert_eq!(found("4:cpu:/docker/abc\n", MOUNTS_V1, &own), None);
        let unlimited = [("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")];
        assert_eq!(found("4:memory:/docker/abc\n", MOUNTS_V1, &unlimited), None);
        let nested = [
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
            ("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1024"),
        ];
        assert_eq!(found("4:memory:/docker/abc/x\n", MOUNTS_V1, &nested), Some(1024));
    }

    #[test]
    fn nonsense_is_no_limit() {
        for (groups, mounts) in
            [("", ""), ("0::/../x\n", "x"), ("::\n:\n", MOUNTS_V2), ("0::/..\n", MOUNTS_V2)]
        {
            assert_eq!(found(groups, mounts, &[]), None, "{groups:?}");
        }
    }
}
