//! The sandbox as an EC2 on loopback, in the process of the test: other programs talk to it, the test
//! looks into it, and whoever directs the wire holds calls up, loses replies and breaks connections.
//!
//! Each connection has a thread. Calls are carried out one at a time.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use snapkeep::cloud::aws::AwsCloud;
use snapkeep::cloud::sandbox::Sandbox;
use snapkeep::cloud::sandbox::query::{Call, Endpoint, Reply, date};

use crate::support::{aws_env, cloud_at, wall_clock};

/// A running endpoint. Its threads end with the connections.
pub(crate) struct Ec2 {
    pub(crate) sandbox: Arc<Sandbox>,
    endpoint: Arc<Endpoint>,
    calls: Arc<Mutex<Vec<Call>>>,
    port: u16,
}

/// When the director is asked about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// It has arrived, and nothing has happened.
    Before,
    /// It is carried out, and the reply is about to leave.
    After,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on as usual.
    GoesOn,
    /// The connection is closed without a word.
    Closed,
    /// The connection is reset.
    Reset,
    /// It is answered with 503 and Unavailable.
    Unavailable,
    /// The reply ends in the middle.
    Cut,
}

/// Decides about calls; may take its time.
type Director = dyn Fn(&Call, Moment) -> Fate + Send + Sync;

impl Ec2 {
    /// Starts an endpoint whose wire is sound.
    pub(crate) fn start(sandbox: impl Into<Arc<Sandbox>>) -> Self {
        Self::directed(sandbox, |_, _| Fate::GoesOn)
    }

    /// Starts an endpoint whose wire is as `director` says.
    pub(crate) fn directed(
        sandbox: impl Into<Arc<Sandbox>>,
        director: impl Fn(&Call, Moment) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sandbox = sandbox.into();
        let endpoint = Arc::new(Endpoint::new(Arc::clone(&sandbox)));
        let line = Line {
            sandbox: Arc::clone(&sandbox),
            endpoint: Arc::clone(&endpoint),
            calls: Arc::default(),
            turn: Arc::default(),
            director: Arc::new(director),
        };
        let calls = Arc::clone(&line.calls);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let line = line.clone();
                std::thread::spawn(move || line.serve(stream));
            }
        });
        Self { sandbox, endpoint, calls, port }
    }

    /// Adds an account of which a role can be assumed.
    pub(crate) fn add_account(&self, sandbox: Sandbox) {
        self.endpoint.add_account(Arc::new(sandbox));
    }

    /// Returns the environment in which a program of AWS talks to this endpoint and nothing else.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        aws_env(&self.url())
    }

    /// Returns the endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the adapter, configured for this endpoint.
    pub(crate) async fn cloud(&self) -> AwsCloud {
        cloud_at(&self.url()).await
    }

    /// Returns every call that arrived so far, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns how often each call arrived, as `REGION ACTION`.
    pub(crate) fn n_calls(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.calls() {
            *counts.entry(format!("{} {}", call.region, call.operation)).or_default() += 1;
        }
        counts
    }
}

/// What the connections share.
#[derive(Clone)]
struct Line {
    sandbox: Arc<Sandbox>,
    endpoint: Arc<Endpoint>,
    calls: Arc<Mutex<Vec<Call>>>,
    turn: Arc<Mutex<()>>,
    director: Arc<Director>,
}

impl Line {
    /// Answers the requests of one connection until either side closes it.
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some(call) = request(&mut reader) {
            self.calls.lock().unwrap().push(call.clone());
            let (reply, fate) = match (self.director)(&call, Moment::Before) {
                Fate::GoesOn => {
                    let reply = self.carry_out(&call);
                    (reply, (self.director)(&call, Moment::After))
                }
                fate => (unavailable(), fate),
            };
            let written = match fate {
                Fate::Closed => return,
                Fate::Reset => {
                    // A close that lingers for no time is a reset.
                    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
                    return;
                }
                Fate::GoesOn => stream.write_all(self.text(&reply).as_bytes()),
                Fate::Unavailable => stream.write_all(self.text(&unavailable()).as_bytes()),
                Fate::Cut => {
                    let text = self.text(&reply);
                    let _ = stream.write_all(&text.as_bytes()[..text.len() - reply.body.len() / 2]);
                    return;
                }
            };
            if written.is_err() {
                return;
            }
        }
    }

    fn carry_out(&self, call: &Call) -> Reply {
        let _turn = self.turn.lock().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.endpoint.answer(call))
    }

    /// Returns a reply as it is sent. Its date is what makes a client find the clocks as far apart as
    /// the sandbox has it: clients compare it with the machine's clock, whatever `--now` says.
    fn text(&self, reply: &Reply) -> String {
        let Reply { status, content_type, body } = reply;
        let skew = self.sandbox.settings().clock_skew;
        let date = skew.map(|skew| date(wall_clock(), skew));
        let date = date.map_or_else(String::new, |date| format!("Date: {date}\r\n"));
        format!(
            "HTTP/1.1 {status} Sandbox\r\n{date}Content-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

fn unavailable() -> Reply {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>\
                <Code>Unavailable</Code><Message>The server is overloaded.</Message>\
                </Error></Errors><RequestID>0</RequestID></Response>";
    Reply { status: 503, content_type: "text/xml;charset=UTF-8", body: body.to_owned() }
}

/// Reads a request; none at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    line(reader)?;
    let mut headers = BTreeMap::new();
    loop {
        let header = line(reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let header = |name: &str| headers.get(name).map(String::as_str);
    let mut body = vec![0; header("content-length").unwrap_or("0").parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Call::read(header("authorization").unwrap_or_default(), header("x-amz-target"), &body))
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let n_bytes = reader.read_line(&mut line).ok()?;
    (0 < n_bytes).then(|| line.trim_end().to_owned())
}
