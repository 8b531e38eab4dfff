//! The command line: the consumer takes nothing from it, and says so.

/// What is said to who asks for help. README.md says more of each setting.
pub const HELP: &str = "\
The export consumer: takes jobs from SQS, downloads their files on a pool of worker threads, puts them into S3, and
records them in DynamoDB. It runs until SIGTERM or SIGINT; then it finishes what it has begun, and gives back the rest.

Usage: exportpool-consumer [--help | --version]

Settings come from the environment. Required:
  AWS_REGION                  such as eu-west-1
  SQS_EXPORT_JOBS_URL         the queue of jobs
  SQS_DOWNLOAD_TASKS_URL      the queue of single tasks: overflow and retries
  S3_BUCKET                   where files go
  DYNAMODB_TABLE              where the record is

Optional [default]:
  AWS_ENDPOINT                one endpoint for all three services [AWS's own]
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN  [the SDK's default chain]
  SQS_EXPORT_JOBS_DLQ_URL, SQS_DOWNLOAD_TASKS_DLQ_URL          [from the redrive policies]
  WORKER_POOL_SIZE            worker threads [4]
  TASKS_PER_WORKER            tasks at a time on each [1]
  MAX_CONCURRENT_JOBS         jobs in hand [20]
  MAX_QUEUE_SIZE              tasks waiting in memory; the rest goes to the queue of tasks [100]
  TASK_TIMEOUT_SECONDS        longest run of one task [300]
  MAX_ATTEMPTS                starts of a task before it is given up [5]
  MAX_FILE_BYTES              largest file [5497558138880, 5 TiB]
  MEMORY_BUDGET_MIB           all download buffers together [half of the cgroup's limit, else 512]
  PER_HOST_CONCURRENCY, PER_HOST_RATE  downloads at a time, and started a second, from one host [16, no limit]
  EXPORT_ALLOWED_NETWORKS     networks (CIDR) that may be reached although they are not public [none]
  VISIBILITY_SECONDS          visibility timeout of received messages [60]
  SHUTDOWN_GRACE_SECONDS      from SIGTERM to the end [TASK_TIMEOUT_SECONDS + 50]
  EXPORT_API_CREDENTIALS_DIR  folder with a file for each Export API that needs credentials [none]
  S3_PREFIX                   put before every key [none]
  RECORD_TTL_DAYS             records expire after so many days [never]
  LOG_FORMAT                  json or human [human on a terminal]
  RUST_LOG                    what is logged [info]
  POD_UID                     told in the pod report [none]
  PORT                        /health /live /ready /metrics /report [3000]
  PROFILE_PORT                profiles, on 127.0.0.1 alone; or none [3001, else any that is free]

Exit codes: 0 everything was settled or given back; 1 the grace period was over before; 2 a wrong argument; 70 a part
of it is broken; 78 a wrong setting; 130 a second signal.";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// To run.
    Run,
    /// For help.
    Help,
    /// For the version.
    Version,
    /// For something there is not.
    Unknown(String),
}

/// Reads the arguments after the program's name.
pub fn asked(mut arguments: impl Iterator<Item = String>) -> Asked {
    match arguments.next().as_deref() {
        None => Asked::Run,
        Some("-h" | "--help") => Asked::Help,
        Some("-V" | "--version") => Asked::Version,
        Some(other) => Asked::Unknown(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_asked_for_that_there_is_not_is_told() {
        let asked = |arguments: &[&str]| asked(arguments.iter().map(ToString::to_string));
        assert_eq!(asked(&[]), Asked::Run);
        assert_eq!((asked(&["-h"]), asked(&["--help"])), (Asked::Help, Asked::Help));
        assert_eq!((asked(&["-V"]), asked(&["--version"])), (Asked::Version, Asked::Version));
        assert_eq!(asked(&["--workers", "8"]), Asked::Unknown("--workers".into()));
    }

    #[test]
    fn help_names_the_settings_of_the_readme_and_no_others() {
        let readme = include_str!("../../../README.md");
        let (_, settings) = readme.split_once("## Settings").unwrap();
        let table = settings.lines().filter(|line| line.starts_with("| `"));
        let named = table.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
        let named: std::collections::BTreeSet<_> = named.collect();
        let (_, list) = HELP.split_once("Required:").unwrap();
        let is_name = |word: &&str| {
            word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c == '3')
        };
        let words = list.lines().filter(|line| line.starts_with("  ")).flat_map(|line| {
            line.trim_start().split([' ', ',', '[', ']']).take_while(|word| word.is_empty() || is_name(word))
        });
        let helped: std::collections::BTreeSet<_> = words.filter(|word| !word.is_empty()).collect();
        assert_eq!(named, helped);
    }
}
