//! Reads the reports of consumers.

use std::time::Duration;

use exportpool_contract::report::{PodReport, SCHEMA};
use url::Url;

use super::{ConsumerReading, Unreadable};

/// The consumer that is looked for when none is named: the default port of this machine.
pub(crate) const DEFAULT_CONSUMER: &str = "http://127.0.0.1:3000";

const TIMEOUT: Duration = Duration::from_secs(1);
/// Four times what a report may have, so that a later version still fits.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Where a consumer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    name: String,
    report: Url,
    optional: bool,
}

/// `--consumer` is no URL of a consumer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--consumer {0:?} is not a URL such as {DEFAULT_CONSUMER}")]
pub(crate) struct NotAConsumer(String);

impl Address {
    /// A consumer at `url`, with or without `/report`.
    ///
    /// # Errors
    /// [`NotAConsumer`] names the value.
    pub(crate) fn parse(url: &str) -> Result<Self, NotAConsumer> {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let address = parsed.and_then(|mut report| {
            let host = report.host_str()?.to_owned();
            let name =
                report.port_or_known_default().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
            if !report.path().ends_with("/report") {
                report.path_segments_mut().ok()?.pop_if_empty().push("report");
            }
            Some(Self { name, report, optional: false })
        });
        address.ok_or_else(|| NotAConsumer(url.to_owned()))
    }

    /// The same, but that nothing is there is no fault.
    #[must_use]
    pub(crate) fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// The consumers.
pub(crate) struct Reports {
    client: reqwest::Client,
    addresses: Vec<Address>,
}

impl Reports {
    /// Consumers at `addresses`.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub(crate) fn new(addresses: Vec<Address>) -> reqwest::Result<Self> {
        // The client asks for the process's TLS provider; an error says only that there is one already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, addresses })
    }

    /// Reads other consumers from now on.
    pub(crate) fn follow(&mut self, addresses: Vec<Address>) {
        self.addresses = addresses;
    }

    /// Reads every report, all at the same time.
    pub(crate) async fn read(&self) -> Vec<ConsumerReading> {
        futures_util::future::join_all(self.addresses.iter().map(|address| self.read_one(address))).await
    }

    async fn read_one(&self, address: &Address) -> ConsumerReading {
        let url = address.report.to_string();
        let report = match fetch(&self.client, &address.report).await {
            Ok(body) => parse(&body).map_err(|why| Unreadable::NotAReport { url: url.clone(), why }),
            Err(fault) => Err(fault.unreadable(&url)),
        };
        ConsumerReading { consumer: address.name.clone(), url, optional: address.optional, report }
    }
}

enum Fault {
    NoAnswer,
    Answer(String),
}

impl Fault {
    fn unreadable(self, url: &str) -> Unreadable {
        let url = url.to_owned();
        match self {
            Self::NoAnswer => Unreadable::NoConsumer { url },
            Self::Answer(why) => Unreadable::NotAReport { url, why },
        }
    }
}

async fn fetch(client: &reqwest::Client, url: &Url) -> Result<Vec<u8>, Fault> {
    let mut answer = client.get(url.clone()).send().await.map_err(|_| Fault::NoAnswer)?;
    if !answer.status().is_success() {
        return Err(Fault::Answer(format!("status {}", answer.status().as_u16())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| Fault::NoAnswer)? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(Fault::Answer(format!("more than {} KiB", MAX_BYTES / 1024)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The report in an answer, or what it is instead.
pub(super) fn parse(body: &[u8]) -> Result<PodReport, String> {
    let report: PodReport = serde_json::from_slice(body).map_err(|_| "not its JSON".to_owned())?;
    if report.schema == SCHEMA { Ok(report) } else { Err(format!("schema {}, not {SCHEMA}", report.schema)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_named_by_host_and_port_and_asked_for_its_report() {
        for url in ["http://127.0.0.1:3000", "http://127.0.0.1:3000/", "http://127.0.0.1:3000/report"] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.name, "127.0.0.1:3000");
            assert_eq!(address.report.as_str(), "http://127.0.0.1:3000/report");
        }
        assert_eq!(Address::parse("http://pod").unwrap().name, "pod:80");
    }

    #[test]
    fn what_is_no_consumer_is_named() {
        for bad in ["", "3000", "localhost:3000", "ftp://x"] {
            assert_eq!(Address::parse(bad), Err(NotAConsumer(bad.to_owned())));
        }
    }

    #[test]
    fn a_report_of_another_schema_is_not_read_as_ours() {
        let report = PodReport { schema: SCHEMA, ..PodReport::default() };
        assert_eq!(parse(&serde_json::to_vec(&report).unwrap()), Ok(report.clone()));
        let newer = PodReport { schema: SCHEMA + 1, ..report };
        assert_eq!(parse(&serde_json::to_vec(&newer).unwrap()), Err("schema 2, not 1".to_owned()));
        assert_eq!(parse(b"<html>"), Err("not its JSON".to_owned()));
    }
}
