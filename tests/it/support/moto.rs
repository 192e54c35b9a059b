//! An EC2 API server that others wrote, on this machine, one per test.
//!
//! `tests/moto/server.py` says what a scene is and where moto is corrected.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ec2::config::Credentials;
use chrono::{DateTime, Utc};
use serde_json::Value;
use snapkeep::cloud::aws::AwsCloud;

use crate::support::python;

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
        vec![
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            // A proxy of the machine would be asked for 127.0.0.1 too.
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ]
    }

    /// Returns the adapter, configured for this server.
    pub(crate) async fn cloud(&self) -> AwsCloud {
        let env: HashMap<_, _> = self.env().into_iter().collect();
        let [key, secret] =
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| env[name].clone());
        let sdk_config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(&env["AWS_ENDPOINT_URL"])
            .region(Region::new(env["AWS_REGION"].clone()))
            .credentials_provider(Credentials::new(key, secret, None, None, "tests"))
            .load()
            .await;
        AwsCloud::from_config(&sdk_config, Arc::new(wall_clock)).await.unwrap()
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

// The server's replies bear the real time.
#[expect(clippy::disallowed_methods, reason = "there is no clock of ours in a test's process")]
fn wall_clock() -> DateTime<Utc> {
    Utc::now()
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto")
}

/// Returns the virtual environment with moto in it.
fn installed() -> PathBuf {
    python::installed("moto", &sources().join("requirements.txt"))
}
