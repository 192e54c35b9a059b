//! The page in a real browser, Chromium without a window: what it shows, that nothing runs, that it
//! fits a phone.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{DAILY, Home, Service};

/// The width of a small phone.
const PHONE: u32 = 360;

/// Runs Chromium on a page until it is loaded; returns what it prints.
fn chromium(home: &Path, url: &str, flags: &[&str]) -> String {
    let profile = tempfile::tempdir_in(home).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--hide-scrollbars", "--window-size=800,1000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(flags)
        .arg(url)
        .env("HOME", profile.path())
        .output();
    let Ok(output) = output else {
        panic!("the tests of the page need Chromium: {output:?}\nhint: apt-get install chromium");
    };
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What Chromium makes of a page: its DOM.
fn dom(home: &Path, url: &str) -> String {
    let dom = chromium(home, url, &["--dump-dom"]);
    assert!(dom.contains("<title>"), "{dom}");
    dom
}

/// What a page looks like.
fn picture(home: &Path, url: &str) -> Vec<u8> {
    let path = home.join("page.png");
    let _ = fs::remove_file(&path);
    chromium(home, url, &[&*format!("--screenshot={}", path.display())]);
    fs::read(path).unwrap()
}

/// What a phone makes of a page.
#[derive(Debug, PartialEq, Eq)]
struct Phone {
    width: u32,
    /// How wide what is in its window is.
    content_width: u32,
    /// Whether the page reads the same with scripts and without.
    needs_no_scripts: bool,
}

const FITS: Phone = Phone { width: PHONE, content_width: PHONE, needs_no_scripts: true };

/// Shows a page on a phone, with `extra` in it.
fn phone(home: &Path, page: &str, extra: &str) -> Phone {
    // Chromium's own window is no narrower than 500 pixels, a frame may be; and in a sandboxed one
    // nothing runs.
    let page = page.replace("</body>", &format!("{extra}</body>"));
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    let style = format!("border: 0; width: {PHONE}px; height: 800px");
    let html = format!(
        "<!DOCTYPE html><title></title>\
         <iframe style='{style}' sandbox='allow-same-origin' srcdoc=\"{page}\"></iframe>\
         <iframe style='{style}' srcdoc=\"{page}\"></iframe>\
         <script>onload = () => {{\
         const plain = frames[0], scripted = frames[1];\
         document.title = [plain.innerWidth, plain.document.documentElement.scrollWidth,\
         plain.document.body.innerText === scripted.document.body.innerText].join(' ')\
         }}</script>"
    );
    let path = home.join("phone.html");
    fs::write(&path, html).unwrap();
    let title = title(&dom(home, &format!("file://{}", path.display())));
    let [width, content_width, needs_no_scripts] = title.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{title}");
    };
    Phone {
        width: width.parse().unwrap(),
        content_width: content_width.parse().unwrap(),
        needs_no_scripts: needs_no_scripts.parse().unwrap(),
    }
}

fn title(dom: &str) -> String {
    let title = dom.split("<title>").nth(1).unwrap();
    title.split("</title>").next().unwrap().to_owned()
}

/// What is read: the text between tags, without the stylesheet.
fn text(dom: &str) -> String {
    let body = dom.split("<body>").nth(1).unwrap();
    let parts = body.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let text: String = parts.collect();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn served(home: &Home, global: &str) -> Service {
    let mut service = home.serve(global, "");
    service.idle();
    service
}

#[test]
fn a_phone_shows_it_all_without_scripts_and_without_scrolling_sideways() {
    let home = Home::new(DAILY);
    let service = served(&home, "--sandbox");
    let url = format!("http://127.0.0.1:{}/", service.port);
    let shown = dom(home.path(), &url);
    for part in ["Idle until 2026-11-20 03:11Z", "servers", "CreateSnapshots i-", "0, all is done"]
    {
        assert!(text(&shown).contains(part), "{part}");
    }

    let (_, page) = service.get("/");
    assert_eq!(phone(home.path(), &page, ""), FITS);
    // It would have been seen.
    let wide = "<div style='width: 500px'>wide</div>";
    let seen = phone(home.path(), &page, wide);
    assert!(500 <= seen.content_width && seen.needs_no_scripts, "{seen:?}");
    let scripted = "<p id=p></p><script>p.textContent = 'ran'</script>";
    assert!(!phone(home.path(), &page, scripted).needs_no_scripts);

    // Its stylesheet is let through by its policy.
    let (start, end) = (page.find("<style>").unwrap(), page.find("</style>").unwrap());
    let bare = home.path().join("bare.html");
    fs::write(&bare, format!("{}{}", &page[..start], &page[end..])).unwrap();
    let bare = picture(home.path(), &format!("file://{}", bare.display()));
    assert!(bare != picture(home.path(), &url), "it looks the same without its stylesheet");
}

#[test]
fn what_tags_and_names_say_is_text_and_nothing_runs() {
    const HOSTILE: [&str; 4] = [
        "<script>document.title='owned'</script>",
        "\"><img src=x onerror=\"document.title='owned'\">",
        "a\u{202e}gnp.exe",
        "\u{1b}[31mred\u{1b}[0m",
    ];
    const NAME: &str = "<img src=x onerror=document.title='owned'>\u{202e}eman";
    let config = format!(
        r#"
version = 1
[[policy]]
name = "{NAME}"
kind = "images"
regions = ["eu-west-2"]
family_tag = "Family"
select = {{ resource = "image", name = "golden-*" }}
retention = {{ every = "7 days" }}
adopt = {{ all = true }}
"#
    );
    let home = Home::new(&config);
    let made = home.snapkeep("--sandbox=account.json --now 2026-11-20T03:00:00Z plan");
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let path = home.path().join("account.json");
    let account = fs::read_to_string(&path).unwrap();
    // Each image is of another family.
    let mut values = HOSTILE.iter().cycle();
    let mut hostile = account.clone();
    while let Some(at) = hostile.find("\"base\"") {
        let value = serde_json::to_string(values.next().unwrap()).unwrap();
        hostile.replace_range(at..at + "\"base\"".len(), &value);
    }
    assert_ne!(account, hostile);
    fs::write(&path, hostile).unwrap();

    let service = served(&home, "--sandbox=account.json");
    let (_, page) = service.get("/");
    let url = format!("http://127.0.0.1:{}/", service.port);
    let shown = dom(home.path(), &url);
    // As a file too, where no Content-Security-Policy helps.
    let copy = home.path().join("copy.html");
    fs::write(&copy, &page).unwrap();
    let unguarded = dom(home.path(), &format!("file://{}", copy.display()));
    for dom in [&shown, &unguarded] {
        assert!(title(dom).starts_with("snapkeep"), "{}", title(dom));
        assert!(!dom.contains("<script") && !dom.contains("<img"));
        let text = text(dom);
        for part in [
            "family:<script>document.title='owned'</script>",
            "family:\"><img src=x onerror=\"document.title='owned'\">",
            "family:a\\u{202e}gnp.exe",
            "family:\\u{1b}[31mred\\u{1b}[0m",
            "<img src=x onerror=document.title='owned'>\\u{202e}eman",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
    assert!(!page.contains(['\u{1b}', '\u{202e}']));
    assert_eq!(phone(home.path(), &page, ""), FITS);
}
