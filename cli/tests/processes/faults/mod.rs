//! Between a consumer and AWS, connections that break at the worst moment: the service has done what it was asked, and
//! the answer never comes, or half of it. docs/decisions/0008-fault-proxy.md says why the proxy is our own.

mod answers;
mod proxy;
