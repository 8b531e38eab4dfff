//! Memory as the cgroup of this process has it, of v2 or v1
//! (<https://docs.kernel.org/admin-guide/cgroup-v2.html>, <https://docs.kernel.org/admin-guide/cgroup-v1/memory.html>).

use std::fs;

/// A limit above this is none: v1 says so with the largest number of pages.
const NO_LIMIT: u64 = 1 << 60;
/// Where the limit and the use are told: of v2, of v1.
const FILES: [(&str, &str); 2] =
    [("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")];

/// The limit, in bytes; `None` without one.
pub(crate) fn limit() -> Option<u64> {
    FILES.into_iter().find_map(|(limit, _)| number(limit)).filter(is_limit)
}

/// What is left of the limit, in bytes; `None` without one. Files that are cached count as used, though they would give
/// way.
pub(crate) fn room() -> Option<u64> {
    let of = |(limit, used)| Some((number(limit)?, number(used)?));
    let (limit, used) = FILES.into_iter().find_map(of).filter(|(limit, _)| is_limit(limit))?;
    Some(limit.saturating_sub(used))
}

const fn is_limit(bytes: &u64) -> bool {
    *bytes < NO_LIMIT
}

fn number(file: &str) -> Option<u64> {
    fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse().ok()
}
