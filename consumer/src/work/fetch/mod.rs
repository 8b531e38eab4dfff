//! Downloading: what may be asked for, from where, how much at a time.

pub mod address;
pub mod answer;
mod body;
mod broken;
pub(crate) mod connect;
pub mod credentials;
pub mod hosts;
pub mod http;
mod pace;
pub mod page;
pub mod request;
mod resolver;
mod resume;
#[cfg(test)]
mod tests;
pub(in crate::work) mod timed;
