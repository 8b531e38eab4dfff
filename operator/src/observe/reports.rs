//! What pods say of themselves: `/report` of each, with a bound on its size and on the time for it. Reports are hints.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use exportpool_contract::PodReport;
use exportpool_scaling::UnreadReport;
use futures_util::{StreamExt, stream};
use reqwest::redirect::Policy;
use tokio::{sync::Semaphore, time::timeout};

/// From the connect to the last byte.
const WITHIN: Duration = Duration::from_secs(1);
/// A consumer writes at most a quarter of this.
const MAX_BYTES: usize = 64 * 1024;
/// Of all pools together.
const AT_A_TIME: usize = 256;
/// Pods of a pool that are asked in one round.
pub const SAMPLE: usize = 20;
const SCHEMA: u32 = exportpool_contract::report::SCHEMA;

/// A pod to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The pod's UID: what answers has to be it.
    pub uid: String,
    /// Its own address, never a name.
    pub at: SocketAddr,
}

/// What pods answered, by UID.
pub type Answers = BTreeMap<String, Result<PodReport, UnreadReport>>;

/// Asks pods.
pub struct ReportReader {
    http: reqwest::Client,
    places: Semaphore,
}

impl ReportReader {
    /// Without proxies and redirects: what is asked is the pod.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).pool_max_idle_per_host(1);
        Ok(Self {
            http: http.pool_idle_timeout(Duration::from_secs(30)).build()?,
            places: Semaphore::new(AT_A_TIME),
        })
    }

    /// Asks all of them, side by side.
    pub async fn read(&self, pods: &[Asked]) -> Answers {
        let ask = |pod: Asked| async move {
            let answer = self.ask(&pod).await;
            (pod.uid, answer)
        };
        stream::iter(pods.to_vec()).map(ask).buffer_unordered(AT_A_TIME).collect().await
    }

    async fn ask(&self, pod: &Asked) -> Result<PodReport, UnreadReport> {
        // Never closed.
        let _place = self.places.acquire().await.map_err(|_| UnreadReport::NotSampled)?;
        let body = timeout(WITHIN, self.fetch(pod)).await.map_err(|_| UnreadReport::Unreachable)??;
        let report: PodReport = serde_json::from_slice(&body).map_err(|_| UnreadReport::Malformed)?;
        let other = report.pod_uid.as_ref().is_some_and(|uid| *uid != pod.uid);
        if other || report.schema != SCHEMA { Err(UnreadReport::Malformed) } else { Ok(report) }
    }

    async fn fetch(&self, pod: &Asked) -> Result<Vec<u8>, UnreadReport> {
        let answer = self.http.get(format!("http://{}/report", pod.at)).send().await;
        let answer = answer.map_err(|_| UnreadReport::Unreachable)?;
        if !answer.status().is_success() {
            return Err(UnreadReport::Malformed);
        }
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk.map_err(|_| UnreadReport::Unreachable)?);
            if body.len() > MAX_BYTES {
                return Err(UnreadReport::Malformed);
            }
        }
        Ok(body)
    }
}

/// The pods whose turn it is: each comes as often as any other, if `turn` counts by one.
#[must_use]
pub fn sample(pods: &[Asked], turn: usize) -> Vec<Asked> {
    let start = (turn * SAMPLE) % pods.len().max(1);
    pods.iter().cycle().skip(start).take(SAMPLE.min(pods.len())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::Ipv4Addr};

    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn asked(n: u16) -> Asked {
        Asked { uid: format!("pod-{n}"), at: SocketAddr::from((Ipv4Addr::LOCALHOST, n)) }
    }

    /// A pod that answers each request with these bytes, and leaves the connection open after them.
    async fn pod(answer: Vec<u8>) -> Asked {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let _ = socket.read(&mut [0; 1024]).await;
                let _ = socket.write_all(&answer).await;
                kept.push(socket);
            }
        });
        Asked { uid: "me".into(), at }
    }

    fn http(status: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    fn report(change: impl FnOnce(&mut PodReport)) -> Vec<u8> {
        let mut report = PodReport { schema: SCHEMA, instance_id: "i".into(), ..PodReport::default() };
        change(&mut report);
        http("200 OK", &json!(report).to_string())
    }

    fn reader() -> ReportReader {
        let _ = rustls::crypto::ring::default_provider().install_default();
        ReportReader::new().unwrap()
    }

    async fn answer(bytes: Vec<u8>) -> Result<String, UnreadReport> {
        let pod = pod(bytes).await;
        let mut answers = reader().read(&[pod]).await;
        answers.remove("me").unwrap().map(|report| report.instance_id)
    }

    #[tokio::test]
    async fn a_report_is_read() {
        assert_eq!(answer(report(|_| {})).await, Ok("i".to_owned()));
        assert_eq!(answer(report(|report| report.pod_uid = Some("me".into()))).await, Ok("i".to_owned()));
    }

    #[tokio::test]
    async fn another_pods_report_and_another_schema_are_not_taken() {
        let other = report(|report| report.pod_uid = Some("other".into()));
        assert_eq!(answer(other).await, Err(UnreadReport::Malformed));
        assert_eq!(answer(report(|report| report.schema = SCHEMA + 1)).await, Err(UnreadReport::Malformed));
    }

    #[tokio::test]
    async fn garbage_errors_and_redirects_are_no_reports() {
        for bytes in
            [http("200 OK", "<html>"), http("500 Oh", "{}"), http("302 Found\r\nlocation: /report", "")]
        {
            assert_eq!(answer(bytes).await, Err(UnreadReport::Malformed));
        }
        assert_eq!(answer(b"SSH-2.0-OpenSSH\r\n".to_vec()).await, Err(UnreadReport::Unreachable));
    }

    #[tokio::test]
    async fn a_report_without_an_end_is_cut_at_its_bound() {
        let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 10 * 1024 * 1024]].concat();
        assert_eq!(answer(endless).await, Err(UnreadReport::Malformed));
    }

    #[tokio::test]
    async fn a_pod_that_says_nothing_or_is_not_there_is_unreachable() {
        assert_eq!(answer(Vec::new()).await, Err(UnreadReport::Unreachable));
        let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_vec();
        assert_eq!(answer(begun).await, Err(UnreadReport::Unreachable));
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let gone = Asked { uid: "me".into(), at: nobody };
        let answers = reader().read(&[gone]).await;
        assert_eq!(answers["me"], Err(UnreadReport::Unreachable));
    }

    #[test]
    fn every_pod_has_its_turn() {
        let pods: Vec<_> = (0..50).map(asked).collect();
        let turns: Vec<_> = (0..5).map(|turn| sample(&pods, turn)).collect();
        assert!(turns.iter().all(|sample| sample.len() == SAMPLE));
        let seen: BTreeSet<_> = turns.iter().take(3).flatten().map(|pod| &pod.uid).collect();
        assert_eq!(seen.len(), 50);
        assert_eq!(sample(&pods[..3], 7).len(), 3);
        assert!(sample(&[], 7).is_empty());
    }
}
