"""Deduplication in the final stage: one row for one picture, one example for one question.

- Byte-identical images are one image, in all corpora: an image's id is the hash of its bytes, so there is no option
  for it. The labels of the copies are joined (`geovec_data.dedup.exact`).
- A query without a picture that several images answer is one example with several positives
  (`geovec_data.dedup.queries`).
- Near-duplicates are other bytes and may bear other labels, so they stay unless ``dedup.near=drop``; those on both
  sides of a split are the leak gate's business.
"""
