//! Why something could not be written.

use kube::core::Status;

/// Words of the API server that are told on; its messages can be long.
const MAX_SAID: usize = 400;

/// Why something could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyFault {
    /// Something of that name is there, and is not this pool's.
    #[error(
        "there is a {kind} {name:?} that this pool does not own: delete or rename it, or name the pool otherwise"
    )]
    NameConflict {
        /// What it is.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The operator may not.
    #[error("the operator may not write {kind}: give its ServiceAccount the rights of the chart ({said})")]
    Forbidden {
        /// What.
        kind: String,
        /// The API server.
        said: String,
    },
    /// The API server does not take it: by its schema, a policy or a quota.
    #[error("the API server refuses {kind}: {said}")]
    Refused {
        /// What.
        kind: String,
        /// The API server.
        said: String,
    },
    /// It changed meanwhile, or its namespace ends: looked at again.
    #[error("{kind} changed meanwhile")]
    Conflict {
        /// What.
        kind: String,
    },
    /// No answer, or none that is understood.
    #[error("the API server does not answer ({kind})")]
    Unreachable {
        /// What was asked for.
        kind: String,
    },
}

impl ApplyFault {
    pub(crate) fn of(kind: &str, error: &kube::Error) -> Self {
        let kind = kind.to_owned();
        match error {
            kube::Error::Api(status) if status.is_conflict() => Self::Conflict { kind },
            kube::Error::Api(status) if is_ending(status) => Self::Conflict { kind },
            kube::Error::Api(status) if is_unknown_field(status) => {
                Self::Refused { kind, said: said(status) }
            }
            kube::Error::Api(status) if is_without_right(status) => {
                Self::Forbidden { kind, said: said(status) }
            }
            kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 429 => {
                Self::Refused { kind, said: said(status) }
            }
            _ => Self::Unreachable { kind },
        }
    }

    /// A stable word for conditions and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NameConflict { .. } => "NameConflict",
            Self::Forbidden { .. } => "Forbidden",
            Self::Refused { .. } => "Refused",
            Self::Conflict { .. } => "Conflict",
            Self::Unreachable { .. } => "ApiUnreachable",
        }
    }

    /// Whether it passes by itself.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Unreachable { .. })
    }
}

/// Server-side apply says that a field is not known as if it were the server's own fault (500).
fn is_unknown_field(status: &Status) -> bool {
    status.message.contains("field not declared in schema")
}

/// Quotas and policies say "forbidden" as well. Of a right that is missing it is said who cannot do what:
/// `User "operator" cannot patch resource "deployments"`.
fn is_without_right(status: &Status) -> bool {
    status.is_forbidden() && status.message.contains("User \"") && status.message.contains("\" cannot ")
}

/// In a namespace that ends, or has ended, nothing new can be made, and nothing is wrong.
fn is_ending(status: &Status) -> bool {
    status.message.contains("because it is being terminated")
        || (status.is_not_found() && status.message.starts_with("namespaces "))
}

fn said(status: &Status) -> String {
    status.message.chars().take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str, reason: &str, code: u16) -> ApplyFault {
        let status = Status::failure(message, reason).with_code(code);
        ApplyFault::of("Service", &kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn in_a_namespace_that_ends_or_has_ended_nothing_is_wrong() {
        let ends = "services \"a\" is forbidden: unable to create new content in namespace team because it is being terminated";
        let passes = ApplyFault::Conflict { kind: "Service".to_owned() };
        assert_eq!(told(ends, "Forbidden", 403), passes);
        assert_eq!(told("namespaces \"team\" not found", "NotFound", 404), passes);
        assert_eq!(
            told("the server could not find the requested resource", "NotFound", 404).reason(),
            "Refused"
        );
        assert_eq!(
            told("services \"a\" is forbidden: User \"b\" cannot patch", "Forbidden", 403).reason(),
            "Forbidden"
        );
    }
}
