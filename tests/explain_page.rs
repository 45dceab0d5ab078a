//! Tests of the web page, by HTTP and in a browser.
//!
//! The browser tests need Chromium and its driver (Debian: `apt-get install chromium chromium-driver`), and are ignored
//! by default. Run them with `cargo test --locked --test explain_page -- --ignored`. With `ZOOM_UDM_PICTURES=DIRECTORY`
//! they save screenshots.
#![cfg(feature = "cloud")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test that goes wrong is to stop"
)]

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use testkit::browser::{Browser, Service};
use testkit::files::{gzip, root};
use testkit::normalize::{json_lines, run_cli};

/// WebDriver's code points for keys without a character.
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const CONTROL: char = '\u{e009}';
const ESCAPE: char = '\u{e00c}';
const PAGE_DOWN: char = '\u{e00f}';
const END: char = '\u{e010}';
const DOWN: char = '\u{e015}';

/// Returns the head and the body of a response.
fn ask(service: &Service, method: &str, path: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(&service.address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        service.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The service may reject a request before it has read the body.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = memchr::memmem::find(&answer, b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let body = answer.split_off(end + 4);
    if !head.contains("transfer-encoding: chunked") {
        return (head, body);
    }
    let (mut rest, mut whole) = (&body[..], Vec::new());
    while let Some(line) = memchr::memmem::find(rest, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
    (head, whole)
}

fn real() -> String {
    let path = |name: &str| root().join("fixtures/real").join(name);
    ["records.ndjson", "without-time.ndjson"]
        .map(|name| std::fs::read_to_string(path(name)).unwrap())
        .concat()
}

#[test]
fn every_page_asset_has_the_security_policy() {
    let service = Service::start();
    for path in ["/", "/page/app.js", "/page/card.js", "/page/records.js", "/page/style.css"] {
        let (head, body) = ask(&service, "GET", path, b"");
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        for line in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
        ] {
            assert!(format!("{head}\r\n").contains(line), "{path}: {head}");
        }
        let text = String::from_utf8(body).unwrap();
        let outside = text.replace("http://www.w3.org/2000/svg", "").contains("://");
        assert!(!outside && !text.contains("innerHTML") && !text.contains(" style="), "{path}");
    }
}

#[test]
fn explain_endpoint_matches_the_command() {
    let service = Service::start();
    let input = real();
    let verb =
        run_cli(&["explain", "--format", "json", "--clip", "--enrich", "--label", "a=b"], input.as_bytes());
    let expected: Vec<Value> = verb.out.events();
    for body in [input.as_bytes(), &gzip(input.as_bytes())] {
        let (head, answer) = ask(&service, "POST", "/explain?clip=1&enrich=1&label=a%3Db&namespace=", body);
        assert!(head.starts_with("http/1.1 200") && head.contains("nosniff"), "{head}");
        let mut told = json_lines(&answer);
        let end = told.pop().unwrap();
        assert_eq!(
            end["end"],
            json!({"records": 38, "events": 35, "rejects": 3, "more": false, "failure": null})
        );
        told.iter_mut().for_each(|told| told["input"] = json!("-"));
        assert_eq!(told, expected);
    }
}

#[test]
fn unexplainable_input_is_reported() {
    let service = Service::start();
    for query in ["values=other", "label=x", "default_time=then", "no=1"] {
        let (head, body) = ask(&service, "POST", &format!("/explain?{query}"), b"{}");
        assert!(head.starts_with("http/1.1 400") && !body.is_empty(), "{query}: {head}");
    }
    let end =
        |body: &[u8]| json_lines(&ask(&service, "POST", "/explain", body).1).pop().unwrap()["end"].clone();
    let packed = gzip(real().as_bytes());
    let cut = end(&packed[..packed.len() / 2]);
    assert!(cut["failure"].as_str().unwrap().contains("truncated"), "{cut}");
    let bomb = end(&gzip(vec![b'\n'; 70 << 20]));
    assert!(bomb["failure"].is_string(), "{bomb}");
    let many = end("{}\n".repeat(20_001).as_bytes());
    assert_eq!((&many["records"], &many["more"]), (&json!(20_000), &json!(true)));
    let line = |length: usize| {
        format!("{{\"time\":\"2024-01-31T00:00:00Z\",\"action\":\"{}\"}}", "x".repeat(length))
    };
    let lines = end(format!("{}\n{}\n", line(500 << 10), line(520 << 10)).as_bytes());
    assert_eq!((&lines["events"], &lines["rejects"]), (&json!(1), &json!(1)), "{lines}");
    let (head, _) = ask(&service, "POST", "/explain", &vec![b' '; (16 << 20) + 1]);
    assert!(head.starts_with("http/1.1 413"), "{head}");
}

/// Collects the leaves of an event as the page shows them: labels as `key = value`.
fn leaves(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if members.len() == 2 && members.contains_key("key") => {
            let text = |name: &str| members[name].as_str().unwrap();
            out.push((path.to_owned(), format!("{} = {}", text("key"), text("value"))));
        }
        Value::Object(members) => {
            for (name, value) in members {
                leaves(&format!("{path}{}{name}", if path.is_empty() { "" } else { "." }), value, out);
            }
        }
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(at, value)| leaves(&format!("{path}[{at}]"), value, out));
        }
        value => out.push((path.to_owned(), value.as_str().unwrap().to_owned())),
    }
}

const FIELDS: &str = "return [...document.querySelectorAll('.card:not(.rejected)')].map((card) =>
    [...card.querySelectorAll('.field')].map((field) => [field.querySelector('.path').textContent, field.querySelector('.value').textContent]))";

#[tokio::test]
#[ignore = "needs Chromium and chromedriver: see the head of this file"]
async fn pasted_records_show_the_events_of_normalize() {
    let service = Service::start();
    let browser = Browser::open(&service).await;
    let input = real();
    let normalized = run_cli(&["normalize"], input.as_bytes()).out;
    browser.paste(&input).await;
    assert_eq!(browser.status().await, "38 records: 35 events, 3 rejected (no_time 3)");
    let mut seen: Vec<Vec<(String, String)>> = serde_json::from_value(browser.run(FIELDS).await).unwrap();
    browser.save_screenshot("real.png").await;
    browser.click("#next").await;
    let further: Vec<Vec<(String, String)>> = serde_json::from_value(browser.run(FIELDS).await).unwrap();
    seen.extend(further);
    let mut events: Vec<Vec<(String, String)>> = normalized
        .events()
        .iter()
        .map(|event| {
            let mut all = Vec::new();
            leaves("", event, &mut all);
            all
        })
        .collect();
    // The order is tested elsewhere; `serde_json` sorts members.
    events.iter_mut().chain(&mut seen).for_each(|event| event.sort());
    assert_eq!(seen, events);
    // Rejects appear at their position, with a remedy.
    let rejects = browser
        .run("return [...document.querySelectorAll('.card.rejected')].map((card) => card.textContent)")
        .await;
    assert_eq!(rejects.as_array().unwrap().len(), 3);
    assert!(
        rejects[0].as_str().unwrap().contains("no_time")
            && rejects[0].as_str().unwrap().contains("What to do")
    );
    browser.click("#filter label:nth-of-type(3)").await;
    assert_eq!(browser.run("return document.querySelectorAll('.card').length").await, 3);
    // The downloaded file equals the output of `normalize`.
    browser.click("#download").await;
    let file = browser.downloads.path().join("events.ndjson");
    let patience = Instant::now() + Duration::from_secs(20);
    while std::fs::read(&file).ok().as_deref() != Some(&normalized.events[..]) {
        assert!(Instant::now() < patience, "{:?} arrived", std::fs::read(&file).map(|bytes| bytes.len()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver: see the head of this file"]
async fn page_is_usable_by_keyboard_alone() {
    let service = Service::start();
    let browser = Browser::open(&service).await;
    let focus = "return [document.activeElement.id, document.activeElement.className, document.activeElement.textContent.trim()]";
    browser.press(None, &[TAB]).await;
    assert_eq!(browser.run(focus).await[1], "skip");
    browser.press(None, &[TAB]).await;
    assert_eq!(browser.run(focus).await[0], "records");
    let records = real();
    let record = records.lines().find(|line| line.contains("Change Role")).unwrap();
    browser.press(None, &record.chars().chain("\n{\"x\":1}".chars()).collect::<Vec<_>>()).await;
    browser.press(Some(CONTROL), &[ENTER]).await;
    browser.until("return document.querySelectorAll('.card').length === 2").await;
    assert_eq!(browser.status().await, "2 records: 1 event, 1 rejected (unknown_record 1)");
    // Tab to the first field. The fields of a record are a single tab stop.
    let mut stops = Vec::new();
    while browser.run(focus).await[1] != "field"
        && !browser.run(focus).await[1].as_str().unwrap().starts_with("field")
    {
        assert!(stops.len() < 25, "{stops:?}");
        browser.press(None, &[TAB]).await;
        stops.push(browser.run(focus).await);
    }
    let why = "return [document.getElementById('why').hidden, document.getElementById('why-rule').textContent, document.getElementById('why-source').textContent]";
    let first = browser.run(why).await;
    assert!(first[0] == false && first[1].as_str().unwrap().contains("RFC 3339"), "{first}");
    browser.press(None, &[DOWN]).await;
    assert!(browser.run(why).await[1].as_str().unwrap().contains("USER_UNCATEGORIZED"));
    browser.press(None, &[END]).await;
    let last = browser.run(why).await;
    assert!(
        last[1].as_str().unwrap().contains("Change Role") && last[2].as_str().unwrap().contains("Co-Owner"),
        "{last}"
    );
    // The source text is marked in the record.
    let marked = browser
        .run("return [...document.querySelectorAll('.record .taken')].map((mark) => mark.textContent)")
        .await;
    assert_eq!(marked, json!(["Co-Owner"]));
    let ring = browser.run("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(ring, "solid", "the focus is visible");
    browser.press(None, &[ESCAPE]).await;
    assert_eq!(browser.run(why).await[0], true);
    assert_eq!(browser.run("return document.querySelectorAll('.record .taken').length").await, 0);
    // The samples, and navigation from record to record.
    browser.run("document.getElementById('samples').focus()").await;
    browser.press(None, &[ENTER]).await;
    browser.until("return document.querySelectorAll('.card').length === 5").await;
    browser.run("document.querySelector('.field').focus()").await;
    browser.press(None, &[PAGE_DOWN]).await;
    let at =
        browser.run("return document.activeElement.closest('article').getAttribute('aria-labelledby')").await;
    assert_eq!(at, "record-1");
    assert_eq!(
        browser.status().await,
        "5 records: 4 events (operation 2, sign-in 1, webhook 1), 1 rejected (no_time 1)"
    );
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver: see the head of this file"]
async fn markup_in_every_field_stays_text() {
    let service = Service::start();
    let browser = Browser::open(&service).await;
    let tags =
        "return [...new Set([...document.querySelectorAll('body *')].map((one) => one.tagName))].sort()";
    browser.paste(&real()).await;
    let known: Vec<String> = serde_json::from_value(browser.run(tags).await).unwrap();
    let attack = r#""'><img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)><a href="javascript:alert(4)">${alert(5)}{{6}}</textarea><style>*{display:none}</style>"#;
    let users = json!([{"userId": attack, "assistant": attack, attack: attack}, {"userId": attack}, attack]);
    let mut lines = vec![
        json!({
            "time": "2024-01-31T23:59:59Z", "operator": attack, "category_type": attack, "action": attack, "event_type": attack,
            "operation_detail": format!("{attack} a@x.io  - {attack}: {attack} - Display Name: {attack} - User Type: {attack} - K: {users}"),
            attack: attack, "__proto__": attack, "constructor": attack,
        })
        .to_string(),
        json!({"time": attack, "operator": attack}).to_string(),
        attack.to_owned(),
    ];
    lines.push(format!("\u{1b}[2J\u{202e}{attack}"));
    browser.run("document.getElementById('namespace').value = '\"><img src=x onerror=alert(7)>'").await;
    browser.run("document.getElementById('label').value = '<b>k=<img src=x onerror=alert(8)>'").await;
    browser.paste(&lines.join("\n")).await;
    assert_eq!(browser.status().await, "4 records: 1 event, 3 rejected (no_time 1, not_json 2)");
    // Focuses each field, so that the panel shows all of it.
    browser.run("document.querySelectorAll('.raw-record').forEach((one) => { one.open = true; })").await;
    let fields = browser.run("return document.querySelectorAll('.field').length").await.as_u64().unwrap();
    assert!(fields > 15, "{fields}");
    for field in 0..fields {
        browser.run(&format!("document.querySelectorAll('.field')[{field}].focus()")).await;
        let found: Vec<String> = serde_json::from_value(browser.run(tags).await).unwrap();
        let new: Vec<_> = found.iter().filter(|tag| !known.contains(tag)).collect();
        assert!(new.is_empty(), "{new:?} were created");
    }
    let text = browser.run("return document.getElementById('cards').textContent").await;
    assert!(text.as_str().unwrap().matches(attack).count() > 10);
    assert!(text.as_str().unwrap().contains("\\u{1b}[2J\\u{202e}"));
    // The name of a file is shown as text, too.
    let named = "const data = new DataTransfer();
        data.items.add(new File([arguments[0]], '<img src=x onerror=alert(9)>.gz'));
        document.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));";
    browser.client.execute(named, vec![lines.join("\r\n").into()]).await.unwrap();
    browser.until("return document.getElementById('files').textContent.includes('<img')").await;
    browser
        .until("return !document.querySelector('[aria-busy]') && document.querySelector('.card') !== null")
        .await;
    assert_eq!(
        browser.run("return document.querySelectorAll('img, svg, iframe, #cards script').length").await,
        0
    );
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver: see the head of this file"]
async fn dropped_file_is_sent_byte_for_byte() {
    let service = Service::start();
    let browser = Browser::open(&service).await;
    let good = "{\"time\":\"2024-01-31T23:59:59Z\",\"action\":\"Add\"}\n";
    let latin = [b"{\"time\":\"2024-01-31T23:59:59Z\",\"action\":\"\xe9\"}\n", good.as_bytes()].concat();
    for (bytes, expected) in [
        (good.as_bytes().to_vec(), "1 record: 1 event, 0 rejected"),
        (latin, "2 records: 1 event, 1 rejected (not_utf8 1)"),
        (gzip(good.repeat(3).as_bytes()), "3 records: 3 events, 0 rejected"),
        (format!("5\r\n{good}").into_bytes(), "2 records: 1 event, 1 rejected (not_object 1)"),
    ] {
        let drop = "const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(arguments[0])], 'records.json'));
            document.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));";
        browser.client.execute(drop, vec![json!(bytes)]).await.unwrap();
        let told = format!("return document.body.textContent.includes({})", json!(expected));
        browser.until(&told).await;
        assert_eq!(browser.status().await, expected);
    }
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver: see the head of this file"]
async fn five_thousand_records_do_not_freeze_the_page() {
    let service = Service::start();
    let browser = Browser::open(&service).await;
    let mut made = Vec::new();
    testdata::write(testdata::Kind::Realistic, 5000, 1, &mut made).unwrap();
    let watch = "window.longest = 0; let last = performance.now();
        setInterval(() => { const now = performance.now(); window.longest = Math.max(window.longest, now - last); last = now; }, 10);";
    browser.run(watch).await;
    let started = Instant::now();
    let paste = "const data = new DataTransfer();
        data.setData('text/plain', arguments[0]);
        const event = new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true });
        document.getElementById('records').dispatchEvent(event);";
    let text = String::from_utf8(made).unwrap();
    browser.client.execute(paste, vec![text.into()]).await.unwrap();
    browser
        .until("return !document.querySelector('[aria-busy]') && document.querySelector('.card') !== null")
        .await;
    let took = started.elapsed();
    assert_eq!(browser.status().await, "5,000 records: 5,000 events, 0 rejected");
    assert_eq!(browser.run("return document.querySelectorAll('.card').length").await, 25);
    browser.run("const page = document.getElementById('page'); page.value = '200'; page.dispatchEvent(new Event('change'))").await;
    assert_eq!(browser.run("return document.querySelector('h3').textContent").await, "Record 4976");
    let longest = browser.run("return window.longest").await.as_f64().unwrap();
    println!("5,000 records took {took:?}; the page froze for {longest:.0} ms at the longest");
    assert!(longest < 1000.0, "the page froze for {longest:.0} ms");
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver: see the head of this file"]
async fn layout_does_not_overflow_at_any_width_or_theme() {
    let service = Service::start();
    let browser = Browser::open(&service).await;
    browser.click(".options summary").await;
    browser.save_screenshot("empty.png").await;
    browser.click(".options summary").await;
    browser.click("#samples").await;
    browser.until("return document.querySelectorAll('.card').length === 5").await;
    for dark in [false, true] {
        browser.dark(dark).await;
        for (width, height) in [(1400, 1000), (420, 1000)] {
            browser.set_viewport(width, height).await;
            let theme = if dark { "dark" } else { "light" };
            for (place, script) in [
                ("field", "document.querySelectorAll('.field')[10].focus(); window.scrollTo(0, 0)"),
                ("record", "document.querySelectorAll('.card')[1].scrollIntoView()"),
                ("end", "document.getElementById('why-close').click(); window.scrollTo(0, 1e6)"),
            ] {
                browser.run(script).await;
                browser.save_screenshot(&format!("{theme}-{width}-{place}.png")).await;
            }
            let over = browser
                .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
                .await;
            assert_eq!(over, 0, "at {width}");
        }
    }
    browser.close().await;
}
