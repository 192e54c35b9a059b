//! Reads one output of the AWS CLI item by item, and never holds it as a whole.
//!
//! A listing of a million snapshots is more than a gigabyte of text; what is kept of it are the
//! domain's items, whose strings are shared.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess};
use serde::de::{Deserializer, SeqAccess, Visitor};

use crate::cloud::files::shapes::{
    ImageShape, ImageUseShape, KeyShape, LockShape, ReservationShape, SnapshotShape, VolumeShape,
};
use crate::domain::ids::{ImageId, SnapshotId};
use crate::domain::intern::Interner;
use crate::domain::inventory::{Image, ImageUse, Instance, KeyAnswer, Snapshot, Volume};

/// What an output of the AWS CLI is a list of.
pub(super) trait Document: Sized {
    /// One element of the list, as the CLI prints it.
    type Shape: DeserializeOwned;
    /// The key under which the list stands.
    const KEY: &'static str;

    /// Converts one element to the items it holds.
    fn convert(
        shape: Self::Shape,
        interner: &mut Interner,
        items: &mut Vec<Self>,
    ) -> Result<(), String>;
}

impl Document for Instance {
    type Shape = ReservationShape<'static>;
    const KEY: &'static str = "Reservations";

    fn convert(
        shape: Self::Shape,
        interner: &mut Interner,
        items: &mut Vec<Self>,
    ) -> Result<(), String> {
        shape.into_domain(interner, items)
    }
}

macro_rules! one_item_a_shape {
    ($item:ty, $shape:ty, $key:literal) => {
        impl Document for $item {
            type Shape = $shape;
            const KEY: &'static str = $key;

            fn convert(
                shape: Self::Shape,
                interner: &mut Interner,
                items: &mut Vec<Self>,
            ) -> Result<(), String> {
                items.push(shape.into_domain(interner)?);
                Ok(())
            }
        }
    };
}

one_item_a_shape!(Volume, VolumeShape<'static>, "Volumes");
one_item_a_shape!(Snapshot, SnapshotShape<'static>, "Snapshots");
one_item_a_shape!(Image, ImageShape<'static>, "Images");
// None for a lock that has expired.
one_item_a_shape!(Option<SnapshotId>, LockShape<'static>, "Snapshots");
one_item_a_shape!((ImageId, ImageUse), ImageUseShape<'static>, "ImageUses");
one_item_a_shape!((Arc<str>, KeyAnswer), KeyShape<'static>, "Keys");

/// Reads the items of one output into `items`.
///
/// Items that cannot be converted are left out and reported together at the end; where the text
/// itself breaks off, what came before it stays in `items`.
pub(super) fn read<T: Document>(
    reader: impl Read,
    items: &mut Vec<T>,
    interner: &mut Interner,
) -> Result<(), String> {
    let mut refused = Refused::default();
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let outer = Outer { items, interner, refused: &mut refused };
    outer
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|err| err.to_string())?;
    refused.first.map_or(Ok(()), |first| {
        Err(match refused.n {
            1 => first,
            n => format!("{first} (and {} more items that cannot be read)", n - 1),
        })
    })
}

#[derive(Default)]
struct Refused {
    first: Option<String>,
    n: usize,
}

impl Refused {
    fn add(&mut self, error: String) {
        self.n += 1;
        self.first.get_or_insert(error);
    }
}

/// The object around the list.
struct Outer<'a, T> {
    items: &'a mut Vec<T>,
    interner: &'a mut Interner,
    refused: &'a mut Refused,
}

impl<'de, T: Document> DeserializeSeed<'de> for Outer<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Document> Visitor<'de> for Outer<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the key `{}`", T::KEY)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { items, interner, refused } = self;
        let mut has_list = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == T::KEY {
                has_list = true;
                let list = List { items, interner, refused };
                map.next_value_seed(list)?;
            } else if key == "NextToken" {
                // The CLI prints it when `--max-items` cut the listing short.
                if map.next_value::<Option<String>>()?.is_some() {
                    refused.add("the listing was cut short: it has a NextToken".to_owned());
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if has_list { Ok(()) } else { Err(A::Error::missing_field(T::KEY)) }
    }
}

/// The list itself.
struct List<'a, T> {
    items: &'a mut Vec<T>,
    interner: &'a mut Interner,
    refused: &'a mut Refused,
}

impl<'de, T: Document> DeserializeSeed<'de> for List<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Document> Visitor<'de> for List<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list of `{}`", T::KEY)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(shape) = elements.next_element::<T::Shape>()? {
            if let Err(error) = T::convert(shape, self.interner, self.items) {
                self.refused.add(error);
            }
        }
        Ok(())
    }
}
