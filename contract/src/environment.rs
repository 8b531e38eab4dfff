//! The names a consumer reads from its environment. A field of an `ExportPool` becomes one of these.

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* pub const $name: &str = stringify!($name);)*
        /// Every name, in the order of this page.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

/// Where a consumer is asked for profiles, unless `PROFILE_PORT` says otherwise, or another consumer of that machine is.
pub const DEFAULT_PROFILE_PORT: u16 = 3001;

names! {
    /// URL of the queue `export-jobs`. Required.
    SQS_EXPORT_JOBS_URL;
    /// URL of the queue `download-tasks`. Required.
    SQS_DOWNLOAD_TASKS_URL;
    /// URL of the dead-letter queue of `export-jobs`; by default read from its redrive policy.
    SQS_EXPORT_JOBS_DLQ_URL;
    /// URL of the dead-letter queue of `download-tasks`; by default read from its redrive policy.
    SQS_DOWNLOAD_TASKS_DLQ_URL;
    /// Bucket of the objects. Required.
    S3_BUCKET;
    /// Put before every key.
    S3_PREFIX;
    /// Table of the records. Required.
    DYNAMODB_TABLE;
    /// One endpoint for all three services, instead of AWS's own.
    AWS_ENDPOINT;
    /// The region. Required.
    AWS_REGION;
    /// Access key; with the secret, instead of the SDK's default chain.
    AWS_ACCESS_KEY_ID;
    /// Secret of the access key.
    AWS_SECRET_ACCESS_KEY;
    /// Token of temporary access keys, beside the two (none).
    AWS_SESSION_TOKEN;
    /// Worker threads, 1 to 256 (4).
    WORKER_POOL_SIZE;
    /// Tasks at a time on each worker thread, 1 to 64 (1).
    TASKS_PER_WORKER;
    /// Jobs in hand at a time, 1 to 10,000 (20).
    MAX_CONCURRENT_JOBS;
    /// Tasks waiting in memory, 0 to 100,000 (100).
    MAX_QUEUE_SIZE;
    /// Longest run of one task in seconds, 1 to 43,000 (300).
    TASK_TIMEOUT_SECONDS;
    /// Time from SIGTERM to SIGKILL in seconds (task timeout + 50).
    SHUTDOWN_GRACE_SECONDS;
    /// Visibility timeout of a received message in seconds, 15 to 43,200 (60).
    VISIBILITY_SECONDS;
    /// Starts of a task before it is given up, 1 to 100 (5).
    MAX_ATTEMPTS;
    /// Largest file in bytes (5 TiB, the largest object S3 takes).
    MAX_FILE_BYTES;
    /// Memory for all download buffers in MiB (half of the cgroup's limit, else 512).
    MEMORY_BUDGET_MIB;
    /// Downloads at a time from one host (16).
    PER_HOST_CONCURRENCY;
    /// Downloads started per second from one host (no limit).
    PER_HOST_RATE;
    /// Networks, comma-separated in CIDR notation, that downloads may reach although they are not public.
    EXPORT_ALLOWED_NETWORKS;
    /// Folder with a file of credentials for each Export API that needs some (none).
    EXPORT_API_CREDENTIALS_DIR;
    /// `json` or `human` (human on a terminal, else json).
    LOG_FORMAT;
    /// Days after which a record expires, at least 29 (never).
    RECORD_TTL_DAYS;
    /// Port of `/health`, `/live`, `/ready`, `/metrics` and `/report` (3000).
    PORT;
    /// Port of profiles, on 127.0.0.1 alone, or `none` (3001, else any that is free).
    PROFILE_PORT;
    /// UID of the pod, told in its report (none). In Kubernetes from `metadata.uid`.
    POD_UID;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_stands_once() {
        assert_eq!(ALL.iter().collect::<HashSet<_>>().len(), ALL.len());
    }
}
