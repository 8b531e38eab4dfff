//! Why something cannot be sampled.

/// Why something cannot be sampled.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsampled {
    /// A profile must not end a pod.
    #[error(
        "stacks need {} MiB of memory, and {} MiB are left of the cgroup's limit: give it more, and profile again",
        .needs_bytes >> 20,
        .room_bytes >> 20
    )]
    NoRoom {
        /// What is needed, in bytes.
        needs_bytes: u64,
        /// What is left of the limit, in bytes.
        room_bytes: u64,
    },
    /// No timer, or somebody else has it.
    #[error("stacks cannot be sampled: {0}")]
    Stacks(#[from] pprof::Error),
    /// It was built without.
    #[error("the allocator was built without prof:true (JEMALLOC_SYS_WITH_MALLOC_CONF)")]
    NoAllocations,
    /// It does not begin to.
    #[error("allocations cannot be sampled: {0}")]
    Allocations(#[from] tikv_jemalloc_ctl::Error),
}
