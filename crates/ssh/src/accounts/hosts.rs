//! Names of machines (hosts(5)).

use core::net::IpAddr;

/// The address of a name in /etc/hosts: the first line that has it counts,
/// capitals are as good as others. Lines that are not what they should be
/// stand for nothing.
pub fn host_address(hosts: &[u8], name: &str) -> Option<IpAddr> {
    hosts.split(|byte| *byte == b'\n').find_map(|line| {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let address = core::str::from_utf8(words.next()?).ok()?.parse().ok()?;
        words
            .any(|word| word.eq_ignore_ascii_case(name.as_bytes()))
            .then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_addresses() {
        let hosts = b"# 10.0.0.1 no\nx one\n\xff\n10.0.0.2 one two # three\r\n\
            10.0.0.3\tTwo three\n::1 six";
        let address = |name| host_address(hosts, name).map(|address| alloc::format!("{address}"));
        assert_eq!(address("one").as_deref(), Some("10.0.0.2"));
        assert_eq!(address("TWO").as_deref(), Some("10.0.0.2"));
        assert_eq!(address("three").as_deref(), Some("10.0.0.3"));
        assert_eq!(address("six").as_deref(), Some("::1"));
        assert_eq!(address("no"), None);
        assert_eq!(address(""), None);
    }
}
