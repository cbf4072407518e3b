package correlate

import "time"

// The weights of the evidence for and against a change. They add up to points;
// suspectBar points make a suspect, and 100 points or more are the score 1.
//
// They are set so that time and place alone, however perfect, stay below the
// bar when it is known what the change does: what sits right before an outage
// is a decoy as often as its cause. Something must tie what was changed to what
// went wrong: a name, a file, the nature of the errors, the version in the
// lines, or that undoing it ended the trouble.
const (
	// suspectBar is 15 above the best that time and place give together.
	suspectBar = 60.0
	// suspectLead is how far the best must be ahead of the second. Two that are
	// nearer cannot be told apart, and then nobody is blamed.
	suspectLead = 4.0
	fullScore   = 100.0
	// namedSwitch is the content from which on the errors speak of just what a
	// flag or setting switches: two rare words.
	namedSwitch = 20.0
	// untiedMost is the most that a change gets that nothing ties to the errors:
	// no name of theirs in what it edits, no file on their stack, no edit of a
	// sort that causes such errors, no version in the lines, and nobody took it
	// back.
	untiedMost = suspectBar - 5

	// Place. A change mostly breaks the service that it changes; next its
	// callers, so that the changed service is one that the failing ones call.
	pointsSameService = 20.0
	pointsMember      = 15.0
	pointsUpstream    = 12.0
	pointsDownstream  = 3.0
	// pointsVictim: errors there name another failing service as their reason.
	pointsVictim = -12.0
	// pointsElsewhere: no failing service is known to have to do with it.
	pointsElsewhere = -10.0

	// Time. Most bad changes show within minutes, slow burns within hours.
	pointsSlowBurn    = 20.0 // something had to fill up first, and it is of that sort
	pointsAtOnce      = 25.0
	pointsWithinTen   = 20.0
	pointsWithinHalf  = 15.0
	pointsWithinTwo   = 8.0
	pointsWithinSix   = 3.0
	pointsLongAgo     = -5.0
	pointsRanWithout  = -10.0 // the same content runs elsewhere without trouble
	pointsErrorBefore = -15.0 // the same errors were there before it

	// Content, by how hard it is to share by chance.
	pointsStackFile      = 30.0 // a file on the errors' stack
	pointsStackCommon    = 15.0 // the same, but the file's name is a common one
	pointsNameChanged    = 25.0 // a name of the errors in what it adds or removes
	pointsNameTouched    = 8.0  // the same, on a line that it edits around the name
	pointsNameHeader     = 5.0  // the same, in the function around or in context
	pointsNameTold       = 8.0  // the same, in its message or file names
	pointsStackFunction  = 12.0 // a function of the stack is the one that it edits
	pointsFlagName       = 30.0 // the flag's own name is in the errors
	pointsWord           = 6.0  // a rare word in common
	manyWords            = 10.0 // words in common, in points, that tie a decision to the errors
	pointsFlagWord       = 12.0 // the same for a flag or setting, of which little text exists
	capNames             = 35.0
	capWords             = 18.0
	capFlagWords         = 24.0
	pointsNatureCauses   = 25.0 // the edit is of the sort that causes such errors
	pointsNatureHelps    = 10.0 // of a sort that can cause them, and is often innocent
	pointsRisky          = 8.0  // it shares words with the errors and changes a decision
	capContent           = 70.0
	pointsNothingNamed   = -15.0 // its content is known and names nothing of the errors
	pointsLittleNamed    = -5.0  // only its message is known and names nothing
	pointsHarmless       = -25.0 // an edit that can hardly break anything
	harmlessContent      = 0.25  // how much of the content still counts then
	pointsUnknownContent = 15.0  // nothing is known of it, and its service's errors are new at once

	// Version in the lines.
	pointsVersionOnly   = 20.0  // others of the service's versions ran on without errors
	pointsVersionAtOnce = 15.0  // the version failed from its first lines on
	pointsVersionOther  = -30.0 // the errors come from another version
	pointsNewLines      = 10.0  // its service's log has new recurring lines since it

	// What undoing it did.
	pointsUndone        = 25.0  // trouble ended when it was rolled back
	pointsReplaced      = 8.0   // trouble ended after its service got a new version, whatever that held
	pointsUndoneInVain  = -40.0 // it was rolled back, and nothing changed
	pointsOtherUndone   = -20.0 // undoing another change ended the trouble
	pointsNotInEffect   = -15.0 // it failed or was cancelled
	pointsOperational   = -40.0 // an operational cause explains the errors, and it does nothing of the kind
	pointsHalfExplained = -15.0 // the same, but the errors name what it changes
)

const (
	// reportSlack is how much later than onset a change may be reported and
	// still have been before it: clocks differ and reports are late.
	reportSlack = 15 * time.Second
	// slowWithin is how long a slow burn may take.
	slowWithin = 6 * time.Hour
	// unknownOnsetWithin is how long before the first alert trouble can have
	// begun when its onset is not known: what complains first then is a symptom.
	unknownOnsetWithin = 30 * time.Minute
	// atOnce is how soon most broken deploys show.
	atOnce = 3 * time.Minute
	// newLinesWithin is how soon after a change new lines count as its doing,
	// and newLinesCount how often they must recur: what is said once is said at
	// every start.
	newLinesWithin = 5 * time.Minute
	newLinesCount  = 3
	// maxSymptoms, maxCommits bound the work on one incident.
	maxSymptoms = 200
	maxCommits  = 400
)
