//! Images that others make and a policy selects: they are points of their family, which copies and
//! encrypted forms are made of. Only where they are adopted as well do they expire.

use snapkeep::config::select::Resource;
use snapkeep::config::{Config, RegionalPolicy};
use snapkeep::domain::inventory::Image;
use snapkeep::domain::source::{Family, RegionalSource, Source};
use snapkeep::domain::tags::{COPY_OF, SLOT};

use super::claim::{Claim, Key, claim};
use super::thing::{Body, Thing};

/// Returns the family of an image; none if it lacks the tag that names it.
pub(super) fn family(image: &Image, here: &RegionalPolicy) -> Option<Source> {
    let family = match &here.images.family_tag {
        None => Some(Family::whole()),
        Some(key) => image.tags.get(key).and_then(Family::named),
    };
    family.map(Source::Family)
}

/// Returns what an image of others is to each policy that selects images.
pub(super) fn members(thing: &Thing<'_>, config: &Config) -> Vec<Claim> {
    let Body::Image(image) = thing.body else { return Vec::new() };
    // What bears these is never a source, so copies do not travel back.
    let is_copy = image.tags.has(SLOT) || image.tags.has(COPY_OF);
    if is_copy || claim(thing, config).is_ok() {
        return Vec::new();
    }
    let region = thing.at.region;
    let policies = config.policies.iter().enumerate().filter(|(_, p)| p.applies_in(&region));
    policies
        .filter_map(|(policy, named)| {
            let here = named.in_region(&region);
            let is_adopted = here.adopt.as_ref().is_some_and(|adopt| adopt.matches_image(image));
            let is_meant = here.select.matches_image(image)
                || here.select.resource == Resource::Image && is_adopted;
            let source = family(image, here).filter(|_| is_meant)?;
            Some(Claim {
                policy,
                source: RegionalSource { region, source },
                key: Key::Origin(thing.at),
                copy_of: None,
                origin: None,
                members: 1,
                attempt: 1,
                time: image.created_at?,
                volume: None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;

    const GOLDEN: &str = r#"
[[policy]]
name = "golden"
kind = "images"
regions = ["eu-west-1"]
family_tag = "Family"
select = { resource = "image", tags = { Golden = "*" } }
retention = { every = "3 days" }
"#;

    const ADOPT: &str = "[policy.adopt]\ntags = { Golden = \"*\" }\n";
    const COPY: &str = "[[policy.copy]]\nto = \"eu-west-3\"\nexisting = true\n\
                        retention = { daily = \"20 days\" }\n";
    const ENCRYPT: &str = "[policy.encrypt]\nretire_unencrypted = true\n";

    const THREE: &str = "
        image1 at=2026-03-01T03:00 tag:Golden=x tag:Family=web
        image2 at=2026-03-02T03:00 tag:Golden=x tag:Family=web
        image3 at=2026-03-03T03:00 tag:Golden=x tag:Family=db";

    fn check(policies: &[&str], account: &str, gone: &str, loss: &str, left: &str) {
        let scene = Scene::new(&policies.concat(), "2026-03-10T12:00", account);
        let losses = scene.losses(gone).join("; ");
        assert!(losses.contains(loss) && losses.is_empty() == loss.is_empty(), "{losses:?}");
        let rest = scene.unsettled();
        assert!(rest.contains(left) && rest.is_empty() == left.is_empty(), "{rest:?}");
    }

    #[test]
    fn the_newest_of_each_family_stays_and_only_what_is_adopted_goes() {
        check(&[GOLDEN], THREE, "image1", "", "");
        let left = "eu-west-1/ami-00000001 is still there: it is adopted";
        check(&[GOLDEN, ADOPT], THREE, "image1", "", left);
        check(&[GOLDEN, ADOPT], THREE, "image2", "keep_last", left);
        check(&[GOLDEN, ADOPT], THREE, "image3", "keep_last", left);
    }

    #[test]
    fn an_image_goes_only_once_the_copies_that_are_wanted_of_it_are_there() {
        let copied = format!(
            "{THREE}
             image11 @eu-west-3 ours=golden/family:web noslot copy=1@eu-west-1 time=2026-03-01T03:00 at=2026-03-01T04:00
             image12 @eu-west-3 ours=golden/family:web noslot copy=2@eu-west-1 time=2026-03-02T03:00 at=2026-03-02T04:00
             image13 @eu-west-3 ours=golden/family:db noslot copy=3@eu-west-1 time=2026-03-03T03:00 at=2026-03-03T04:00"
        );
        let left = "copy of eu-west-1/ami-00000001 has no copy in eu-west-3";
        check(&[GOLDEN, ADOPT, COPY], THREE, "image1", "is still to be copied", left);
        let left = "eu-west-1/ami-00000001 is still there";
        check(&[GOLDEN, ADOPT, COPY], &copied, "image1", "", left);
        check(&[GOLDEN, COPY], &copied, "image11", "is kept (daily)", "");
    }

    #[test]
    fn the_encrypted_form_stands_for_an_adopted_image() {
        let encrypted = "
            image1 at=2026-03-09T03:00 tag:Golden=x tag:Family=web
            image11 ours=golden/family:web noslot copy=1@eu-west-1 time=2026-03-09T03:00 at=2026-03-09T04:00 encrypted";
        let left = "eu-west-1/ami-00000001 of eu-west-1 `golden`";
        check(&[GOLDEN, ADOPT, ENCRYPT], encrypted, "image1", "", left);
        check(&[GOLDEN, ENCRYPT], encrypted, "image11", "encrypted form would go", "");
        let pending = encrypted.replace("encrypted", "state=pending");
        check(&[GOLDEN, ADOPT, ENCRYPT], &pending, "image1", "would not be complete", "");
    }
}
