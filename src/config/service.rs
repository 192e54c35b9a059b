//! Where the service listens, as it is typed in a configuration or on the command line.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The port that is listened on unless something else is said.
const PORT: u16 = 9546;

/// Where the service listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// At this address and port; port 0 is any free one.
    At(SocketAddr),
}

impl Listen {
    /// Returns the port, if it is a certain one.
    pub fn port(self) -> Option<u16> {
        match self {
            Self::At(address) => Some(address.port()).filter(|port| *port != 0),
            Self::Off => None,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT))
    }
}

/// A text says nowhere to listen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address and port to listen on")]
pub struct InvalidListen {
    text: String,
}

impl InvalidListen {
    /// Returns what to write instead.
    pub fn hint(&self) -> String {
        let text = self.text.trim();
        let text = text.strip_prefix("http://").map_or(text, |rest| rest.trim_end_matches('/'));
        if text.parse::<Listen>().is_ok() {
            return format!("write `{text}`");
        }
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return format!("add a port: `{}`", SocketAddr::new(address, PORT));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        match (host, port.parse::<u16>()) {
            ("" | "localhost", Ok(port)) => format!("write the address: `127.0.0.1:{port}`"),
            ("*", Ok(port)) => format!("every address of the machine is `0.0.0.0:{port}`"),
            _ if matches!(text, "false" | "no" | "none" | "") => {
                "write `off` to listen nowhere".to_owned()
            }
            _ => format!("write such as `127.0.0.1:{PORT}`, or `off`"),
        }
    }
}

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|_| InvalidListen { text: text.to_owned() })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Listen;

    #[test]
    fn addresses_with_ports_are_read_and_written_alike() {
        for text in ["off", "127.0.0.1:9546", "0.0.0.0:0", "[::1]:80"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_told_what_to_write() {
        for (text, expected) in [
            ("9546", "write the address: `127.0.0.1:9546`"),
            (":8080", "write the address: `127.0.0.1:8080`"),
            ("localhost:8080", "write the address: `127.0.0.1:8080`"),
            ("*:8080", "every address of the machine is `0.0.0.0:8080`"),
            ("10.0.0.1", "add a port: `10.0.0.1:9546`"),
            ("::1", "add a port: `[::1]:9546`"),
            ("fe80::12:abcd:8080", "add a port: `[fe80::12:abcd:8080]:9546`"),
            ("http://127.0.0.1:80/", "write `127.0.0.1:80`"),
            (" off", "write `off`"),
            ("no", "write `off` to listen nowhere"),
            ("127.0.0.1:99999", "write such as `127.0.0.1:9546`, or `off`"),
            ("backup.example.com:80", "write such as `127.0.0.1:9546`, or `off`"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap_err().hint(), expected, "{text}");
        }
    }
}
