"""Submissions: what others send, kept in one store, trusted in nothing.

runs + card ──▶ pack ──▶ <org__model>/<revision>/ ──▶ opening (bounds) ──▶ validate ──▶ Results
                                                                     board.json ──▶ diff

    <org__model>/<revision>/manifest.json           names, sizes and hashes of the other files
                            card.json               the model card (`card`)
                            <task>/predictions.jsonl
                                   protocol.json    how they were made: the header without the model
                                   claims.json      the author's own result.json, where there is one

What stands in a submission is never shown as a number of ours: claims are only compared with what
its predictions score here.
"""

from __future__ import annotations
