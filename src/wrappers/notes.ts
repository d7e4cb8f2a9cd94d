/**
 * Start of the path of a user's folder for notes; the user's number follows. It is on the node itself: what it says holds for this node
 * only, and at 2 ms for each look-up in a home folder, reading it there would take longer than the rest of a start.
 */
export const NOTES = '/tmp/conda-stage-notes'

/** Seconds for which a note holds, and with it a look at the original and at the copy. Until then, the copy has to stand. */
export const NOTE_HOLDS = 600
