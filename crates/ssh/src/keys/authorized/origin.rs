//! `from=`: a list of patterns and networks (ssh_config(5), "PATTERNS").

use alloc::borrow::Cow;
use alloc::format;
use core::net::IpAddr;

use crate::pattern;

/// Insists that every network of a list is one.
///
/// # Errors
/// What is wrong, for the log.
pub(super) fn check(list: &[u8]) -> Result<(), Cow<'static, str>> {
    let text = core::str::from_utf8(list).map_err(|_| "`from` is not text")?;
    for item in text.split(',') {
        let item = item.strip_prefix('!').unwrap_or(item);
        if item.contains('/') && network(item).is_none() {
            return Err(format!(
                "`from` has a bad network `{}`",
                item.chars()
                    .take(50)
                    .filter(|c| !c.is_control())
                    .collect::<alloc::string::String>()
            )
            .into());
        }
    }
    Ok(())
}

/// Whether a list has the address. An item with `!` that matches excludes it
/// whatever the others say. Names of hosts are not looked up, so they match
/// no address.
pub(super) fn matches(list: &[u8], address: IpAddr) -> bool {
    let address = address.to_canonical();
    let shown = format!("{address}");
    let mut found = false;
    for item in list.split(|byte| *byte == b',') {
        let item = item.trim_ascii();
        let (negated, item) = match item.strip_prefix(b"!") {
            Some(item) => (true, item),
            None => (false, item),
        };
        let text = core::str::from_utf8(item).unwrap_or_default();
        let matched = match network(text) {
            Some(network) => contains(network, address),
            None => pattern::matches(item, shown.as_bytes()),
        };
        if matched && negated {
            return false;
        }
        found |= matched;
    }
    found
}

/// Whether a certificate's list of addresses and networks has the address. One
/// with anything else in it has none.
pub(in crate::keys) fn matches_networks(list: &[u8], address: IpAddr) -> bool {
    let Ok(text) = core::str::from_utf8(list) else {
        return false;
    };
    let address = address.to_canonical();
    let mut networks = text.split(',').map(|item| network(item.trim()));
    let is_list = networks.clone().all(|network| network.is_some());
    is_list && networks.any(|network| network.is_some_and(|network| contains(network, address)))
}

/// An address, or a network whose bits behind the mask are zero.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let size = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let length = length.unwrap_or(size);
    let is_network = length <= size && bits(address) & host_mask(size, length) == 0;
    is_network.then_some((address, length))
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The bits that a network of that length leaves to its hosts.
fn host_mask(size: u32, length: u32) -> u128 {
    match size - length {
        128 => u128::MAX,
        free => (1 << free) - 1,
    }
}

fn contains((network, length): (IpAddr, u32), address: IpAddr) -> bool {
    let size = match (network, address) {
        (IpAddr::V4(_), IpAddr::V4(_)) => 32,
        (IpAddr::V6(_), IpAddr::V6(_)) => 128,
        _ => return false,
    };
    (bits(network) ^ bits(address)) & !host_mask(size, length) == 0
}
