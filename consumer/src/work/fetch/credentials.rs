//! Credentials for Export APIs, by name: messages carry the name, never the secret.
//!
//! Each is a file in `EXPORT_API_CREDENTIALS_DIR`, such as a mounted Kubernetes Secret, of two lines: the origin that
//! may see it, and the header.
//!
//! ```text
//! https://reports.example.com
//! Authorization: Bearer s3cr3t
//! ```
//! The origin is part of it, so that a job cannot send a secret elsewhere by naming it. Files are read at each use: a
//! rotated secret is noticed without a restart.

use std::{fs, path::PathBuf};

use exportpool_contract::TaskId;
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::fail::{Reason, TaskFault};

/// The credentials this consumer knows.
#[derive(Debug, Clone, Default)]
pub struct Credentials(Option<PathBuf>);

impl Credentials {
    /// Credentials in a folder, if there is one.
    #[must_use]
    pub const fn new(folder: Option<PathBuf>) -> Self {
        Self(folder)
    }

    /// The headers for a page of an Export API: none for another origin than the credentials'.
    ///
    /// # Errors
    /// `credentialsUnknown`: no such file, or not of the two lines.
    pub fn headers(&self, name: Option<&str>, url: &Url) -> Result<HeaderMap, TaskFault> {
        let Some(name) = name else { return Ok(HeaderMap::new()) };
        let (origin, header) = self.read(name)?;
        let seen = origin.origin() == url.origin();
        Ok(seen.then_some(header).into_iter().collect())
    }

    /// Checks that credentials, if any are named, are for the origin of a job's first page.
    ///
    /// # Errors
    /// `credentialsUnknown` names both origins.
    pub fn check(&self, name: Option<&str>, url: &Url) -> Result<(), TaskFault> {
        let Some(name) = name else { return Ok(()) };
        let (origin, _) = self.read(name)?;
        if origin.origin() == url.origin() {
            return Ok(());
        }
        let (theirs, asked) = (origin.origin().ascii_serialization(), url.origin().ascii_serialization());
        Err(unknown(format!("the credentials {name:?} are for {theirs}, not for {asked}")))
    }

    fn read(&self, name: &str) -> Result<(Url, (HeaderName, HeaderValue)), TaskFault> {
        let Some(folder) = &self.0 else {
            return Err(unknown(format!(
                "the job names the credentials {name:?}, and EXPORT_API_CREDENTIALS_DIR is not set"
            )));
        };
        // The same names as tasks: no path steps.
        let file = TaskId::new(name).map_err(|error| unknown(error.to_string()))?;
        let text = fs::read_to_string(folder.join(file.as_str()))
            .map_err(|error| unknown(format!("the credentials {name:?} cannot be read: {error}")))?;
        parse(&text).ok_or_else(|| {
            unknown(format!(
                "the file of the credentials {name:?} must have two lines: an origin such as \
                 https://reports.example.com, and a header such as Authorization: Bearer …"
            ))
        })
    }
}

fn parse(text: &str) -> Option<(Url, (HeaderName, HeaderValue))> {
    let (origin, header) = text.trim().split_once('\n')?;
    let origin = Url::parse(origin.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let (name, value) = header.trim().split_once(':')?;
    let name = HeaderName::try_from(name.trim()).ok()?;
    let mut value = HeaderValue::try_from(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((origin, (name, value)))
}

fn unknown(detail: String) -> TaskFault {
    TaskFault::last(Reason::CredentialsUnknown, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_file_is_an_origin_and_a_header() {
        let (origin, (name, value)) = parse("https://h:8443/\nAuthorization: Bearer a:b \n").unwrap();
        assert_eq!(
            (origin.as_str(), name.as_str(), value.as_bytes()),
            ("https://h:8443/", "authorization", &b"Bearer a:b"[..])
        );
        assert!(value.is_sensitive(), "never in a log line");
        for bad in
            ["", "https://h", "ftp://h\nA: b", "h\nA: b", "https://h\nno header", "https://h\nA: b\nC: d"]
        {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_names_and_a_missing_one_says_what_to_set() {
        let missing = Credentials::default().headers(Some("a"), &url("https://h")).unwrap_err();
        assert!(missing.to_string().contains("EXPORT_API_CREDENTIALS_DIR is not set"), "{missing}");
        let known = Credentials::new(Some("/nowhere".into()));
        for name in ["../passwd", "a/b", "absent", ""] {
            let fault = known.headers(Some(name), &url("https://h")).unwrap_err();
            assert_eq!(fault.reason(), "credentialsUnknown", "{name}");
        }
        assert!(known.headers(None, &url("https://h")).unwrap().is_empty());
    }
}
