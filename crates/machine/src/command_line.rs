//! The kernel command line.
//!
//! Words are separated by white space; double quotes keep white space inside
//! a word (`init="/bin/my program"`). A word given twice counts as given last.
//! Unknown words are no error: [`CommandLine::problems`] lists them.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// How much is printed, by the numbers of syslog(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Conditions that need somebody's action (3).
    Error = 3,
    /// Conditions that may need it (4).
    Warning = 4,
    /// What happened (6).
    Info = 6,
    /// Everything (7).
    Debug = 7,
}

impl LogLevel {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "0" | "1" | "2" | "3" | "error" => LogLevel::Error,
            "4" | "warn" | "warning" => LogLevel::Warning,
            "5" | "6" | "info" => LogLevel::Info,
            "7" | "8" | "debug" => LogLevel::Debug,
            _ => return None,
        })
    }
}

/// A static address: `ADDRESS/PREFIX[,GATEWAY]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpConfig {
    /// The machine's own address.
    pub address: IpAddr,
    /// Bits of the network's prefix.
    pub prefix: u8,
    /// The default route's next hop, of the same family.
    pub gateway: Option<IpAddr>,
}

impl FromStr for IpConfig {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (network, gateway) = match text.split_once(',') {
            Some((network, gateway)) => (network, Some(gateway)),
            None => (text, None),
        };
        let (address, prefix) = network.split_once('/').ok_or(())?;
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let prefix: u8 = prefix.parse().map_err(|_| ())?;
        let gateway: Option<IpAddr> = gateway.map(str::parse).transpose().map_err(|_| ())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let same_family = gateway.is_none_or(|it| it.is_ipv4() == address.is_ipv4());
        if prefix > longest || !same_family || address.is_unspecified() {
            return Err(());
        }
        Ok(IpConfig {
            address,
            prefix,
            gateway,
        })
    }
}

/// The kernel command line, taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CommandLine<'a> {
    text: &'a str,
    /// `root=DEVICE`: the root filesystem's device.
    pub root: Option<&'a str>,
    /// `init=PATH`: the program to run as process 1.
    pub init: Option<&'a str>,
    /// `herd=on|off`: whether herd is started.
    pub herd: Option<bool>,
    /// `loglevel=`: what goes to the console.
    pub log_level: Option<LogLevel>,
    /// `ip=`: a static address in place of DHCP. The first two given count:
    /// one for each family.
    pub ip: [Option<IpConfig>; 2],
    /// `paddock.test`: the machine ends with a status instead of running on.
    pub test: bool,
    /// `maxcpus=N`: use at most N processors, the boot's included.
    pub max_cpus: Option<usize>,
}

impl fmt::Debug for CommandLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandLine({:?})", self.text)
    }
}

impl<'a> CommandLine<'a> {
    /// Takes a command line apart; never fails, see [`CommandLine::problems`].
    pub fn parse(text: &'a str) -> Self {
        let mut line = CommandLine {
            text,
            root: None,
            init: None,
            herd: None,
            log_level: None,
            ip: [None; 2],
            test: false,
            max_cpus: None,
        };
        for (key, value) in line.words() {
            line.take(key, value);
        }
        line
    }

    fn take(&mut self, key: &str, value: Option<&'a str>) {
        match (key, value) {
            ("root", Some(value)) => self.root = Some(value),
            ("init", Some(value)) => self.init = Some(value),
            ("herd", Some(value)) => self.herd = switch(value).or(self.herd),
            ("loglevel", Some(value)) => {
                self.log_level = LogLevel::from_word(value).or(self.log_level);
            }
            ("quiet", None) => self.log_level = Some(LogLevel::Warning),
            ("debug", None) => self.log_level = Some(LogLevel::Debug),
            ("ip", Some(value)) => self.take_ip(value),
            ("maxcpus", Some(value)) => self.max_cpus = value.parse().ok().or(self.max_cpus),
            ("paddock.test", value) => self.test = value.is_none_or(|v| switch(v) == Some(true)),
            _ => {}
        }
    }

    fn take_ip(&mut self, value: &str) {
        if let Ok(config) = value.parse::<IpConfig>() {
            let family = usize::from(config.address.is_ipv6());
            self.ip[family] = Some(config);
        }
    }

    /// The whole line as it was given.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// All words as key and value; words without `=` have no value.
    pub fn words(&self) -> Words<'a> {
        Words { rest: self.text }
    }

    /// The last value of any key.
    pub fn value(&self, key: &str) -> Option<&'a str> {
        let mut words = self.words().filter(|(name, _)| *name == key);
        words.by_ref().last().and_then(|(_, value)| value)
    }

    /// Whether a key is there, with or without a value.
    pub fn has(&self, key: &str) -> bool {
        self.words().any(|(name, _)| name == key)
    }

    /// Words that were not used: unknown ones, without a reason, and those
    /// whose value makes no sense, with what is expected. Words with a dot
    /// (`module.key`) are left to the module they name, but for the kernel's
    /// own (`paddock.key`).
    pub fn problems(&self) -> impl Iterator<Item = (&'a str, Option<&'static str>)> + use<'a> {
        self.words().filter_map(|(key, value)| match key {
            "root" | "init" => {
                complain(key, value.is_some_and(|v| !v.is_empty()), "expected a path")
            }
            "herd" => complain(key, value.and_then(switch).is_some(), "expected on or off"),
            "loglevel" => {
                let good = value.and_then(LogLevel::from_word).is_some();
                complain(
                    key,
                    good,
                    "expected 0 to 8, or error, warning, info or debug",
                )
            }
            "ip" => {
                let good = value.is_some_and(|v| v.parse::<IpConfig>().is_ok());
                complain(key, good, "expected ADDRESS/PREFIX[,GATEWAY]")
            }
            "paddock.test" => {
                let good = value.is_none_or(|v| switch(v).is_some());
                complain(key, good, "expected on or off")
            }
            "maxcpus" => {
                let good = value.is_some_and(|v| v.parse::<usize>().is_ok_and(|n| n > 0));
                complain(key, good, "expected a number from 1")
            }
            "quiet" | "debug" => None,
            // The watchdog looks at these itself.
            "paddock.watchdog_warn_ms"
            | "paddock.watchdog_report_ms"
            | "paddock.watchdog_lock_ms" => None,
            _ => {
                let for_others = key.contains('.') && !key.starts_with("paddock.");
                (!for_others).then_some((key, None))
            }
        })
    }
}

/// The problem with a known word, if its value is not good.
fn complain<'a>(
    key: &'a str,
    good: bool,
    expected: &'static str,
) -> Option<(&'a str, Option<&'static str>)> {
    (!good).then_some((key, Some(expected)))
}

fn switch(word: &str) -> Option<bool> {
    match word {
        "on" | "yes" | "1" => Some(true),
        "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// The words of a command line, each as key and value.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Words<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_ascii_start();
        if self.rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = self
            .rest
            .find(|c: char| {
                quoted ^= c == '"';
                !quoted && c.is_ascii_whitespace()
            })
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match unquoted(word).split_once('=') {
            Some((key, value)) => (key, Some(unquoted(value))),
            None => (unquoted(word), None),
        })
    }
}

/// Without the quotes around the whole of it, if there are any. A closing
/// quote may be missing.
fn unquoted(text: &str) -> &str {
    match text.strip_prefix('"') {
        Some(inner) => inner.strip_suffix('"').unwrap_or(inner),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn words(text: &str) -> Vec<(&str, Option<&str>)> {
        CommandLine::parse(text).words().collect()
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(
            words("  a=1 b\t\"c d\"=x  init=\"/bin/a b\" \"e=f g\" h= "),
            [
                ("a", Some("1")),
                ("b", None),
                ("c d\"", Some("x")),
                ("init", Some("/bin/a b")),
                ("e", Some("f g")),
                ("h", Some("")),
            ]
        );
        assert_eq!(words("x=\"open end"), [("x", Some("open end"))]);
        assert_eq!(words(""), []);
        assert_eq!(words("\""), [("", None)]);
        assert_eq!(words("="), [("", Some(""))]);
    }

    #[test]
    fn known_words() {
        let line =
            CommandLine::parse("root=/dev/vda init=/bin/sh herd=off loglevel=4 paddock.test");
        assert_eq!(line.root, Some("/dev/vda"));
        assert_eq!(line.init, Some("/bin/sh"));
        assert_eq!(line.herd, Some(false));
        assert_eq!(line.log_level, Some(LogLevel::Warning));
        assert!(line.test);
        assert_eq!(line.problems().count(), 0);
    }

    #[test]
    fn the_last_word_counts() {
        let line = CommandLine::parse("herd=on herd=off herd=perhaps x=1 x=2");
        assert_eq!(line.herd, Some(false));
        assert_eq!(line.value("x"), Some("2"));
        let expected = [
            ("herd", Some("expected on or off")),
            ("x", None),
            ("x", None),
        ];
        assert_eq!(line.problems().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_kernels_own_words_are_known_by_name() {
        let line = CommandLine::parse(
            "other.word=1 paddock.test paddock.watchdog_lock_ms=5 paddock.tset paddock.mistake=x",
        );
        let expected = [("paddock.tset", None), ("paddock.mistake", None)];
        assert_eq!(line.problems().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn addresses() {
        let line = CommandLine::parse("ip=10.0.2.15/24,10.0.2.2 ip=fd00::5/64");
        let v4 = line.ip[0].unwrap();
        assert_eq!(v4.address, "10.0.2.15".parse::<IpAddr>().unwrap());
        assert_eq!(v4.prefix, 24);
        assert_eq!(v4.gateway, Some("10.0.2.2".parse().unwrap()));
        assert_eq!(line.ip[1].unwrap().prefix, 64);
        for bad in [
            "1.2.3.4",
            "1.2.3.4/33",
            "1.2.3.4/24,fd00::1",
            "1.2.3/8",
            "0.0.0.0/0",
            "1.2.3.4/24,",
            "/24",
            "",
        ] {
            assert!(bad.parse::<IpConfig>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hostile_line_is_only_words() {
        let line = CommandLine::parse("herd ip root= loglevel=é init");
        assert_eq!(line.herd, None);
        assert_eq!(line.problems().count(), 5);
    }
}
