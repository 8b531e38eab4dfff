//! Downloading: what may be asked for, from where, how much at a time.

pub mod address;
pub mod answer;
pub mod credentials;
pub mod hosts;
pub mod http;
pub mod request;
