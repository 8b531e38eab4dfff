//! What a consumer needs on this machine: AWS, a file server, and a way to start it.

pub(crate) mod consumer;

use std::{net::Ipv4Addr, time::Duration};

use crate::{
    aws::{self, StandIn, make_resources},
    source::{self, Source},
    target::Target,
    usage::usage,
};

/// AWS and a file server, for as long as this lives.
pub(crate) struct Stage {
    pub(crate) target: Target,
    /// The file server's URL.
    pub(crate) source: String,
    stand_in: Option<StandIn>,
    _source: Option<Source>,
}

impl Stage {
    /// Sets up a stand-in with a file server on its port, whose S3 takes `store_delay` to begin with an object; or a file
    /// server alone, beside an emulator that runs.
    ///
    /// # Errors
    /// A port that cannot be used, a URL that is none, an emulator that does not answer.
    pub(crate) async fn set(emulator: Option<&str>, store_delay: Duration) -> anyhow::Result<Self> {
        match emulator {
            Some(url) => Self::beside(url).await,
            None => Self::of_our_own(store_delay).await,
        }
    }

    async fn of_our_own(store_delay: Duration) -> anyhow::Result<Self> {
        let source = Some(source::router(source::Options::default()));
        let stand_in =
            StandIn::start(aws::Options { source, store_delay, ..aws::Options::default() }).await?;
        let endpoint = stand_in.endpoint();
        let target = Target::emulator(&endpoint)?;
        make_resources(&target).await?;
        Ok(Self { target, source: format!("{endpoint}/_source"), stand_in: Some(stand_in), _source: None })
    }

    async fn beside(url: &str) -> anyhow::Result<Self> {
        let target = Target::emulator(url).map_err(usage)?;
        make_resources(&target).await?;
        let source = Source::start(Ipv4Addr::LOCALHOST.into(), 0).await?;
        Ok(Self { target, source: source.base_url.clone(), stand_in: None, _source: Some(source) })
    }

    /// AWS ran before: others may have consumers there.
    pub(crate) const fn is_shared(&self) -> bool {
        self.stand_in.is_none()
    }

    /// Takes it down.
    pub(crate) async fn strike(self) {
        if let Some(stand_in) = self.stand_in {
            stand_in.shutdown().await;
        }
    }
}
