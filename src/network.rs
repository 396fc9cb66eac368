//! The way to other hosts: what its troubles mean in our words, and which proxy stands in it.
//!
//! An error of a library may hold anything: the request that it could not send, a password in an address, a line of
//! a file. None is printed as it prints itself; [`told`] says what is known of it.

mod cause;
mod proxy;

pub use cause::{UNRESOLVED, UNTRUSTED, contradicts, told};
pub use proxy::{Proxies, ProxyFault, tunnel_fault};
