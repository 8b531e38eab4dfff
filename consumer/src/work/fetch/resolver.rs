//! Names become addresses that may be reached.

use std::{net::SocketAddr, sync::Arc};

use hickory_resolver::TokioResolver;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::may_reach;

/// Resolves names, and keeps of the answers those that may be reached: the connection goes to an address that was
/// checked, whatever the name answers the next time.
pub(super) struct CheckedResolver {
    pub(super) inner: TokioResolver,
    pub(super) allowed: Arc<[IpNet]>,
}

#[derive(Debug, thiserror::Error)]
#[error("the name leads to no public address")]
pub(super) struct Forbidden;

#[derive(Debug, thiserror::Error)]
#[error("the name is not resolved: {0}")]
pub(super) struct Unresolved(String);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, allowed) = (self.inner.clone(), Arc::clone(&self.allowed));
        Box::pin(async move {
            let found =
                resolver.lookup_ip(name.as_str()).await.map_err(|error| Unresolved(error.to_string()))?;
            let reachable = found.iter().filter(|address| may_reach(*address, &allowed));
            let addresses: Vec<_> = reachable.map(|address| SocketAddr::new(address, 0)).collect();
            if addresses.is_empty() {
                return Err(Forbidden.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
