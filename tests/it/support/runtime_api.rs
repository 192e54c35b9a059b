//! Lambda's Runtime API, as small as a function needs it, on loopback.
//!
//! "AWS Lambda runtime API", version 2018-06-01: the function asks for the next invocation, which
//! may be long in coming, and posts a response or an error for it. Whatever else it asks fails.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// How long a function may take to answer. Tests on a busy machine take seconds.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);

/// The API; its threads end with the connections of the function.
pub(crate) struct RuntimeApi {
    port: u16,
    events: Sender<Event>,
    answers: Receiver<Answer>,
    n_events: u32,
}

/// An invocation.
struct Event {
    request_id: String,
    deadline_ms: u64,
    body: String,
}

/// What the function posted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// `ID/response`, `ID/error` or `init/error`.
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl RuntimeApi {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (events, to_hand_out) = channel();
        let (posted, answers) = channel();
        let to_hand_out = Arc::new(Mutex::new(to_hand_out));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (to_hand_out, posted) = (Arc::clone(&to_hand_out), posted.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &to_hand_out, &posted));
            }
        });
        Self { port, events, answers, n_events: 0 }
    }

    /// Returns the environment of a function that is served here.
    pub(crate) fn env(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{}", self.port)),
            ("AWS_LAMBDA_FUNCTION_NAME", "snapkeep".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
        ]
    }

    /// Hands an event out; returns the id of its request.
    pub(crate) fn send(&mut self, body: &str, deadline_ms: u64) -> String {
        self.n_events += 1;
        let request_id = format!("request-{}", self.n_events);
        let body = body.to_owned();
        self.events.send(Event { request_id: request_id.clone(), deadline_ms, body }).unwrap();
        request_id
    }

    /// Waits for what the function posts next; none if that takes too long.
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.answers.recv_timeout(ANSWER_WITHIN).ok()
    }
}

/// Answers the requests of one connection until the function closes it.
fn serve(stream: TcpStream, events: &Mutex<Receiver<Event>>, posted: &Sender<Answer>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some((path, body)) = request(&mut reader) {
        let path = path.trim_start_matches("/2018-06-01/runtime/");
        let reply = if path == "invocation/next" {
            // The test is over once nobody can send any more.
            let Ok(event) = events.lock().unwrap().recv() else { return };
            next(&event)
        } else {
            let path = path.trim_start_matches("invocation/").to_owned();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let _ = posted.send(Answer { path, body });
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
        };
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

fn next(event: &Event) -> String {
    let Event { request_id, deadline_ms, body } = event;
    format!(
        "HTTP/1.1 200 OK\r\n\
         Content-Type: application/json\r\n\
         Lambda-Runtime-Aws-Request-Id: {request_id}\r\n\
         Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:snapkeep\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads a request; returns its path and body, none at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let first = line(reader)?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut n_bytes = 0;
    loop {
        let header = line(reader)?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            n_bytes = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; n_bytes];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let n_bytes = reader.read_line(&mut line).ok()?;
    (0 < n_bytes).then(|| line.trim_end().to_owned())
}
