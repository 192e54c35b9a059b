//! An EC2 API server that others wrote, on this machine, one per test.
//!
//! `tests/moto/server.py` says what a scene is and where moto is corrected.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use snapkeep::cloud::aws::AwsCloud;

use crate::support::{aws_env, cloud_at, python};

/// A running server; it ends with the value.
#[derive(Debug)]
pub(crate) struct Moto {
    server: Child,
    port: u16,
}

/// One call that the server was sent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Call {
    /// The region that the request was signed for.
    pub(crate) region: String,
    /// Such as `DeleteSnapshot`.
    pub(crate) action: String,
    /// The form as sent, without action and version.
    pub(crate) params: BTreeMap<String, String>,
}

impl Moto {
    /// Starts a server that holds `scene`.
    pub(crate) fn start(scene: &Value) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(scene.to_string().as_bytes()).unwrap();
        let mut server = Command::new(installed().join("bin/python"))
            .arg(sources().join("server.py"))
            .arg(file.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = server.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let _ = server.kill();
            panic!("moto did not start ({:?}); its errors are above", server.wait());
        };
        let port = ready["port"].as_u64().and_then(|port| port.try_into().ok()).unwrap();
        Self { server, port }
    }

    /// Returns the endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the environment in which a program of AWS talks to this server and nothing else.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        aws_env(&self.url())
    }

    /// Returns the adapter, configured for this server.
    pub(crate) async fn cloud(&self) -> AwsCloud {
        cloud_at(&self.url()).await
    }

    /// Returns every call so far, in the order in which they came.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.ask("/_calls")
    }

    /// Sets the instant at which what is created from now on starts.
    pub(crate) fn set_now(&self, now: &str) {
        self.ask(&format!("/_now/{now}"));
    }

    /// Puts a parameter of Systems Manager, encrypted.
    pub(crate) fn put_parameter(&self, region: &str, name: &str, value: &str) {
        let body = serde_json::json!({ "Name": name, "Value": value, "Type": "SecureString" });
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "POST / HTTP/1.0\r\n\
             Content-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: AmazonSSM.PutParameter\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=testing/20261120/{region}/ssm/aws4_request\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.contains("\"Version\""), "{reply}");
    }

    fn ask(&self, path: &str) -> Vec<Call> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Closing its input would end it too, but not at once.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto")
}

/// Returns the virtual environment with moto in it.
pub(crate) fn installed() -> PathBuf {
    python::installed("moto", &sources().join("requirements.txt"))
}
