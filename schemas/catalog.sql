-- GeoVec catalog, schema version 1. Generated; do not edit.

CREATE TABLE images (
  "id" VARCHAR NOT NULL, -- first 32 hex digits of the sha256 of `bytes`
  "bytes" BLOB NOT NULL, -- the encoded image, as the corpus has it (a chip: losslessly encoded)
  "format" VARCHAR NOT NULL, -- JPEG, PNG, TIFF, …
  "width" INTEGER NOT NULL, -- pixels
  "height" INTEGER NOT NULL, -- pixels
  "phash" VARCHAR NOT NULL, -- 64-bit DCT perceptual hash, 16 hex digits
  "corpus" VARCHAR NOT NULL, -- recipe name
  "key" VARCHAR NOT NULL, -- unique in the corpus: source path, for a chip `path#x0,y0,x1,y1`
  "path" VARCHAR NOT NULL, -- source-relative path of the image file
  "parent" VARCHAR NOT NULL, -- key of the image that a chip was cut from, else `key`
  "origin" VARCHAR NOT NULL, -- lineage across corpora: the published image it is or was cut from, e.g. `dota/P0706`
  "window" STRUCT("x0" DOUBLE, "y0" DOUBLE, "x1" DOUBLE, "y1" DOUBLE), -- the chip's pixel window in its parent
  "scene_class" VARCHAR, -- class of the scene
  "labels" VARCHAR[] NOT NULL, -- all classes that hold, in a corpus that gives several to an image
  "attributes" STRUCT("key" VARCHAR, "value" VARCHAR)[] NOT NULL, -- facts about the whole scene
  "places" STRUCT("key" VARCHAR, "value" VARCHAR)[] NOT NULL, -- names of where it lies: level (country, city, …) and name, widest first
  "captions" VARCHAR[] NOT NULL, -- sentences about the whole image
  "official_split" VARCHAR, -- the corpus's own split
  "licence" VARCHAR NOT NULL, -- licence of this image
  "attribution" VARCHAR NOT NULL, -- whom to credit
  "captured" VARCHAR, -- capture time, ISO 8601
  "crs" VARCHAR, -- authority string of `transform`
  "transform" DOUBLE[], -- affine a, b, c, d, e, f: x = a·col + b·row + c, y = d·col + e·row + f
  "footprint" BLOB, -- WKB polygon, WGS84 lon/lat; the GeoParquet geometry
  "lon" DOUBLE, -- longitude of the centre, WGS84 degrees
  "lat" DOUBLE, -- latitude of the centre, WGS84 degrees
  "gsd" DOUBLE, -- ground sample distance, metres per pixel
  "synthetic" VARCHAR[] NOT NULL -- which texts were synthesised: captions, expressions, questions, region_captions
);

CREATE TABLE regions (
  "id" VARCHAR NOT NULL, -- hash of image, box, category, polygon
  "image" VARCHAR NOT NULL, -- image id
  "box" STRUCT("x0" DOUBLE, "y0" DOUBLE, "x1" DOUBLE, "y1" DOUBLE) NOT NULL, -- float pixels, origin top-left, half-open, clipped to the image
  "polygon" DOUBLE[], -- outer ring x0, y0, x1, y1, … in pixels; may reach outside the image (recipe osm: clipped to it)
  "visible" DOUBLE NOT NULL, -- share of the object's area inside the image
  "category" VARCHAR NOT NULL, -- the corpus's label
  "ancestors" VARCHAR[] NOT NULL, -- broader categories, nearest first
  "attributes" STRUCT("key" VARCHAR, "value" VARCHAR)[] NOT NULL, -- further facts
  "expressions" VARCHAR[] NOT NULL, -- referring expressions, unique in the scene
  "captions" VARCHAR[] NOT NULL, -- what the region is, not unique
  "osm_type" VARCHAR, -- node, way or relation
  "osm_id" BIGINT, -- OSM object id
  "tags" STRUCT("key" VARCHAR, "value" VARCHAR)[] NOT NULL, -- OSM tags
  "lon" DOUBLE, -- longitude of the centre
  "lat" DOUBLE, -- latitude of the centre
  "source_index" BIGINT, -- the corpus's own number of the object
  "official_split" VARCHAR -- the corpus's own split of the object
);

CREATE TABLE items (
  "id" VARCHAR NOT NULL, -- hash of the segments
  "segments" STRUCT("kind" VARCHAR, "text" VARCHAR, "image" VARCHAR, "box" STRUCT("x0" DOUBLE, "y0" DOUBLE, "x1" DOUBLE, "y1" DOUBLE), "lon" DOUBLE, "lat" DOUBLE)[] NOT NULL, -- ordered text, image, box and coordinate segments
  "modality" VARCHAR NOT NULL, -- kinds in order of first appearance, joined by +
  "image" VARCHAR, -- first image of the item
  "region" VARCHAR, -- region shown by an [image, box] item
  "text_key" VARCHAR -- hash of the normalised text
);

CREATE TABLE examples (
  "id" VARCHAR NOT NULL, -- hash of task, corpus, query item, image and region
  "task" VARCHAR NOT NULL, -- task name
  "corpus" VARCHAR NOT NULL, -- recipe name
  "instruction" VARCHAR NOT NULL, -- instruction id `<task>/<variant>`; texts are in the manifest; 0 is canonical
  "query" VARCHAR NOT NULL, -- item id
  "image" VARCHAR NOT NULL, -- the scene's image id
  "region" VARCHAR, -- the region it is about
  "scope" VARCHAR NOT NULL, -- candidate pool: split, scene or corpus
  "pool_key" VARCHAR, -- under scope corpus: the part of the corpus's answers it is ranked among
  "class_key" VARCHAR, -- class or category
  "caption_key" VARCHAR, -- hash of the normalised text that is one side by itself
  "scene_key" VARCHAR NOT NULL, -- lineage: hash of the origin
  "official_split" VARCHAR -- the corpus's own split
);

CREATE TABLE qrels (
  "example" VARCHAR NOT NULL, -- example id
  "item" VARCHAR NOT NULL -- a positive item's id
);

CREATE TABLE pool (
  "task" VARCHAR NOT NULL, -- task name
  "image" VARCHAR NOT NULL, -- the scene's image id
  "item" VARCHAR NOT NULL, -- a candidate item that may be no example's positive (a region without expression)
  "pool_key" VARCHAR -- as in examples
);

CREATE TABLE splits (
  "example" VARCHAR NOT NULL, -- example id
  "split" VARCHAR NOT NULL, -- train, val, test, or unused
  "reason" VARCHAR NOT NULL -- the rule that decided
);

CREATE TABLE image_splits (
  "image" VARCHAR NOT NULL, -- image id
  "split" VARCHAR NOT NULL, -- train, val, test, or unused; an official split by object can name several
  "reason" VARCHAR NOT NULL -- the rule that decided
);

CREATE TABLE leaks (
  "rule" VARCHAR NOT NULL, -- image, near, lineage, footprint or caption
  "train" VARCHAR NOT NULL, -- id of the image in train
  "held_out" VARCHAR NOT NULL, -- id of the image in val or test
  "split" VARCHAR NOT NULL, -- val or test
  "train_key" VARCHAR NOT NULL, -- corpus and key of the first
  "held_out_key" VARCHAR NOT NULL, -- corpus and key of the second
  "score" DOUBLE NOT NULL, -- near: concordance of the thumbnails; else 1
  "detail" VARCHAR NOT NULL, -- what they share
  "partners" INTEGER NOT NULL, -- training images that the rule found for `held_out` (caption: for this caption of it)
  "policy" VARCHAR NOT NULL -- what the gate did: fail, drop_train, drop_test, report, or known (reported, as the recipe says)
);

CREATE TABLE rejects (
  "corpus" VARCHAR NOT NULL, -- recipe name
  "path" VARCHAR NOT NULL, -- source-relative path of the file or record
  "stage" VARCHAR NOT NULL, -- read, check, task or final
  "code" VARCHAR NOT NULL, -- the reason, one word
  "detail" VARCHAR NOT NULL, -- the reason, one sentence
  "level" VARCHAR NOT NULL -- what was lost: scene, region or text
);

CREATE TABLE thumbs (
  "image" VARCHAR NOT NULL, -- image id; this table stays in staging
  "thumb" BLOB NOT NULL -- the image as 32 × 32 grey pixels, row by row
);

CREATE TABLE candidates (
  "example" VARCHAR NOT NULL, -- example id
  "item" VARCHAR NOT NULL, -- candidate item id
  "source" VARCHAR NOT NULL, -- what found it: search, region, geo or random
  "rank" INTEGER NOT NULL, -- 0 is what its source found first; of search, the most similar
  "score" FLOAT NOT NULL, -- cosine similarity to the query (or to the positive: run settings say)
  "dropped_by" VARCHAR -- the policy's rule that took it; null: kept
);

CREATE TABLE positive_scores (
  "example" VARCHAR NOT NULL, -- example id
  "low" FLOAT NOT NULL, -- cosine similarity of its least similar positive
  "high" FLOAT NOT NULL -- cosine similarity of its most similar positive
);

CREATE TABLE negatives (
  "example" VARCHAR NOT NULL, -- example id
  "item" VARCHAR NOT NULL, -- negative item id
  "rank" INTEGER NOT NULL, -- 0 is the hardest kept
  "score" FLOAT NOT NULL, -- cosine similarity of the negative
  "positive_score" FLOAT NOT NULL, -- cosine similarity of the example's least similar positive
  "kind" VARCHAR NOT NULL, -- hard, region, geo or random
  "run" VARCHAR NOT NULL -- mining run
);
