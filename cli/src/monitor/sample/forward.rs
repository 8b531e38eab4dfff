//! Reads reports of pods through the API server. A connection stays open from sample to sample.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use exportpool_contract::report::PodReport;
use exportpool_operator::names::WORKER_PORT;
use futures_util::{StreamExt, stream};
use http::{Request, header::HOST};
use http_body_util::{BodyExt, Empty, Limited};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::time::timeout;

use super::{
    Unreadable,
    reports::{MAX_BYTES, parse},
};
use crate::forward::{Link, NotForwarded, connect};

const ANSWER: Duration = Duration::from_secs(2);
/// Pods that are asked at a time.
const AT_A_TIME: usize = 16;

/// Connections to pods.
pub(super) struct Forwards {
    api: Api<Pod>,
    open: HashMap<String, Link>,
}

impl Forwards {
    /// To pods of a namespace. Nothing is connected yet.
    pub(super) fn new(api: Api<Pod>) -> Self {
        Self { api, open: HashMap::new() }
    }

    /// The reports of `pods`, in their order. Connections to other pods are closed.
    pub(super) async fn read(&mut self, pods: &[String]) -> Vec<Result<PodReport, Unreadable>> {
        let mut open = std::mem::take(&mut self.open);
        let links: Vec<_> = pods.iter().map(|pod| (pod, open.remove(pod))).collect();
        drop(open);
        let asked = links.into_iter().map(|(pod, link)| self.ask(pod, link));
        let answers: Vec<_> = stream::iter(asked).buffered(AT_A_TIME).collect().await;
        let mut reports = Vec::new();
        for (pod, answer) in pods.iter().zip(answers) {
            reports.push(answer.map(|(link, report)| {
                self.open.insert(pod.clone(), link);
                report
            }));
        }
        reports
    }

    async fn ask(&self, pod: &str, link: Option<Link>) -> Result<(Link, PodReport), Unreadable> {
        let mut link = match link.filter(|link| !link.requests.is_closed()) {
            Some(link) => link,
            None => connect(&self.api, pod, WORKER_PORT).await.map_err(unreadable)?,
        };
        let url = url(pod);
        let body = match timeout(ANSWER, fetch(&mut link)).await {
            Ok(Ok(body)) => body,
            Ok(Err(Fault::NoAnswer)) | Err(_) => return Err(Unreadable::PodSilent),
            Ok(Err(Fault::Answer(why))) => return Err(Unreadable::NotAReport { url, why }),
        };
        let report = parse(&body).map_err(|why| Unreadable::NotAReport { url, why })?;
        Ok((link, report))
    }
}

/// As it is shown: no address that could be opened.
pub(super) fn url(pod: &str) -> String {
    format!("pods/{pod}:{WORKER_PORT}/report")
}

fn unreadable(why: NotForwarded) -> Unreadable {
    match why {
        NotForwarded::NotAllowed(why) => {
            Unreadable::NotAllowed { why, right: "creating pods/portforward, as the role edit does," }
        }
        NotForwarded::Failed(why) => Unreadable::NotForwarded { why },
    }
}

enum Fault {
    NoAnswer,
    Answer(String),
}

async fn fetch(link: &mut Link) -> Result<Bytes, Fault> {
    let request = Request::get("/report").header(HOST, "localhost").body(Empty::new());
    let request = request.map_err(|error| Fault::Answer(error.to_string()))?;
    let answer = link.requests.send_request(request).await.map_err(|_| Fault::NoAnswer)?;
    if !answer.status().is_success() {
        return Err(Fault::Answer(format!("status {}", answer.status().as_u16())));
    }
    let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
    let body = body.map_err(|_| Fault::Answer(format!("more than {} KiB, or cut off", MAX_BYTES / 1024)))?;
    Ok(body.to_bytes())
}
