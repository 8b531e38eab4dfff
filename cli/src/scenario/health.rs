//! Whoever asks for the consumer's health, meanwhile.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use futures_util::future::join_all;
use tokio::{net::TcpListener, time};

use super::catalog::Asked;

/// How /health answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Microseconds to each answer, sorted.
    pub(super) micros: Vec<u64>,
    /// Requests without a good answer.
    pub(super) failed: u64,
    /// Microseconds to each answer of a server that does nothing, meanwhile, sorted: what this machine makes of any answer.
    pub(super) bare_micros: Vec<u64>,
}

/// Connections to a server that does nothing, beside the others.
const BARE_CONNECTIONS: u32 = 2;

/// Asks a URL as often as it is said, and beside it a server that does nothing.
pub(super) async fn ask(url: &str, asked: Asked) -> anyhow::Result<Answers> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let bare_url = format!("http://{}/", listener.local_addr()?);
    let bare_server = axum::serve(listener, Router::new().route("/", get(async || "")));
    let bare = Asked { connections: BARE_CONNECTIONS, ..asked };
    let (answers, bare) = tokio::select! {
        answers = async { tokio::join!(all(&client, url, asked), all(&client, &bare_url, bare)) } => answers,
        ended = bare_server.into_future() => anyhow::bail!("the server that does nothing has ended: {ended:?}"),
    };
    Ok(Answers { bare_micros: bare.micros, ..answers })
}

async fn all(client: &reqwest::Client, url: &str, asked: Asked) -> Answers {
    let of_all = join_all((0..asked.connections).map(|_| connection(client, url, asked))).await;
    let mut answers = Answers::default();
    for of_one in of_all {
        answers.micros.extend(of_one.micros);
        answers.failed += of_one.failed;
    }
    answers.micros.sort_unstable();
    answers
}

/// One after the other.
async fn connection(client: &reqwest::Client, url: &str, asked: Asked) -> Answers {
    let (mut ticks, begun) = (time::interval(asked.every), Instant::now());
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut answers = Answers::default();
    while begun.elapsed() < asked.during {
        ticks.tick().await;
        let sent = Instant::now();
        let answer = async { client.get(url).send().await?.error_for_status()?.bytes().await };
        match answer.await {
            Ok(_) => answers.micros.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX)),
            Err(_) => answers.failed += 1,
        }
    }
    answers
}
