//! A headless Chromium of a test's own, spoken to over a pipe in its own protocol: no driver, no
//! port, no network.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// No answer takes that long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gives the browser the pipes of this shell as the two that it listens and speaks on.
const PIPES: &str = r#"exec "$@" 3<&0 4>&1 <&- >&-"#;

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    /// What was told without having been asked for.
    told: Vec<Value>,
    session: String,
    asked: u64,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one; `None`, said loudly, where there is no Chromium.
    pub(crate) fn start(width: u32, height: u32) -> Option<Self> {
        let Some(program) = program() else {
            assert!(std::env::var_os("CI").is_none(), "chromium is missing");
            let said = "SKIPPED: tests in a real browser, because chromium is missing\n";
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("sh")
            .args(["-c", PIPES, "sh"])
            .arg(program)
            // All that it is shown are files of this test; not every machine lets it build its sandbox.
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--disable-quic", "--disable-sync", "--disable-component-update"])
            .args(["--no-first-run", "--disable-background-networking", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            // Its reporter of crashes would outlive it; this makes it ours to find.
            .env("XDG_CONFIG_HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (says, from) = channel();
        let mut words = BufReader::new(process.stdout.take().unwrap()).split(0);
        // Ends with the browser, whose pipe it reads.
        std::thread::spawn(move || {
            while let Some(Ok(word)) = words.next() {
                if says.send(serde_json::from_slice(&word).unwrap()).is_err() {
                    return;
                }
            }
        });
        let to = process.stdin.take();
        let (told, session) = (Vec::new(), String::new());
        let mut browser = Browser { process, to, from, told, session, asked: 0, profile };
        browser.open(width, height);
        Some(browser)
    }

    fn open(&mut self, width: u32, height: u32) {
        let page = self.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let wish = json!({ "targetId": page["targetId"], "flatten": true });
        let session = self.ask("Target.attachToTarget", wish);
        self.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.ask(&format!("{domain}.enable"), json!({}));
        }
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Shows a file, and waits until it is all there.
    pub(crate) fn show(&mut self, file: &Path) {
        self.told.clear();
        self.ask("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        while !self.told.iter().any(|told| told["method"] == "Page.loadEventFired") {
            let told = self.hear();
            self.told.push(told);
        }
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": params });
        if !self.session.is_empty() {
            question["sessionId"] = json!(self.session);
        }
        let to = self.to.as_mut().expect("it is there until the end");
        to.write_all(format!("{question}\0").as_bytes()).unwrap();
        loop {
            let mut heard = self.hear();
            if heard["id"] == json!(self.asked) {
                assert_eq!(heard["error"], Value::Null, "{method}");
                return heard["result"].take();
            }
            self.told.push(heard);
        }
    }

    fn hear(&self) -> Value {
        self.from.recv_timeout(PATIENCE).expect("the browser answers")
    }

    /// What an expression of the page is.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let wish = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.ask("Runtime.evaluate", wish);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].take()
    }

    /// Presses a key and lets go.
    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut wish = json!({ "type": kind, "key": key });
            if key.chars().count() == 1 && kind == "keyDown" {
                wish["text"] = json!(key);
            }
            self.ask("Input.dispatchKeyEvent", wish);
        }
    }

    /// Brings what a selector finds first into sight, and clicks in the middle of it.
    pub(crate) fn click(&mut self, selector: &str) {
        let middle = format!(
            "(() => {{ const found = document.querySelector({selector:?}); \
             found.scrollIntoView({{ block: 'center' }}); const box = found.getBoundingClientRect(); \
             return [box.x + box.width / 2, box.y + box.height / 2] }})()"
        );
        let middle = self.value(&middle);
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let wish =
                json!({ "type": kind, "x": middle[0], "y": middle[1], "button": button, "clickCount": 1 });
            self.ask("Input.dispatchMouseEvent", wish);
        }
    }

    /// How bright the page is on average, from 0 to 255, and how many colours it has.
    pub(crate) fn looks(&mut self) -> (f64, u64) {
        let shot = self.ask("Page.captureScreenshot", json!({ "format": "png" }));
        let look = format!(
            "(async () => {{ const image = new Image(); image.src = 'data:image/png;base64,{}'; \
             await image.decode(); const canvas = new OffscreenCanvas(image.width, image.height); \
             const context = canvas.getContext('2d'); context.drawImage(image, 0, 0); \
             const {{ data }} = context.getImageData(0, 0, image.width, image.height); \
             let sum = 0; const colours = new Set(); \
             for (let at = 0; at < data.length; at += 4) {{ sum += data[at] + data[at + 1] + data[at + 2]; \
             colours.add(data[at] << 16 | data[at + 1] << 8 | data[at + 2]) }} \
             return [sum / (data.length / 4 * 3), colours.size] }})()",
            shot["data"].as_str().unwrap()
        );
        let looks = self.value(&look);
        (looks[0].as_f64().unwrap(), looks[1].as_u64().unwrap())
    }

    /// What the page complained about, and what it asked the network for, itself not counted.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let complaint = |told: &Value| {
            let params = &told["params"];
            match told["method"].as_str()? {
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => {
                    Some(params.to_string())
                }
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str()?;
                    let own = params["type"] == "Document" || url.starts_with("data:");
                    (!own).then(|| format!("asked for {url}"))
                }
                _ => None,
            }
        };
        self.told.iter().filter_map(complaint).collect()
    }
}

impl Browser {
    /// Ends what was started for this profile and has left the browser's family.
    fn end_reporters(&self) {
        let profile = self.profile.path().to_str().unwrap();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&words).contains(profile) {
                let _ = Command::new("kill").arg(entry.file_name()).stderr(Stdio::null()).status();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when nobody speaks to it any more.
        self.to = None;
        loop {
            match self.from.recv_timeout(Duration::from_secs(10)) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.process.kill();
                    break;
                }
            }
        }
        self.end_reporters();
        let _ = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut programs = std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
    programs.find(|program| program.is_file())
}
