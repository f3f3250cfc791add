import HDF5

/// Position of a run between two steps.
package struct TrainingState: Equatable {
    /// Completed steps.
    package var step = 0
    package var epoch = 0
    /// Completed batches of this epoch.
    package var stepInEpoch = 0
    /// Jets seen in all epochs.
    package var jets = 0
    /// Sum of each metric column since the last logged row, and the number of steps that contributed to each.
    package var lossSums: [Double] = []
    package var lossSteps: [Int] = []
    /// Rows of `metrics.csv` so far.
    package var rows = 0
    /// Steps without an update since the last logged row.
    package var skippedSteps = 0
    /// Consecutive steps without an update up to now.
    package var skippedInARow = 0
    /// Name of the term whose validation mean selects the best checkpoint; nil for the total loss.
    package private(set) var selectingTerm: String?
    /// The checkpoint with the lowest selecting validation loss.
    package var best: Best?
    /// The lowest selecting loss of all scheduled validations.
    package var lowest: Double?
    /// Scheduled validations since the lowest loss.
    package var sinceLowest = 0

    /// A checkpoint by its step, with its selecting validation loss; infinite if it was not measured.
    package struct Best: Equatable, Sendable {
        package var step: Int
        package var loss: Double

        package init(step: Int, loss: Double) {
            self.step = step
            self.loss = loss
        }
    }

    package init() {}

    /// Selects the best checkpoint by a term from now on. Losses of another one, as in checkpoints of earlier versions,
    /// are dropped: the best checkpoint is then replaced by the first that has a loss.
    package mutating func select(by term: String?) {
        guard term != selectingTerm else { return }
        selectingTerm = term
        best?.loss = .infinity
        (lowest, sinceLowest) = (nil, 0)
    }
}

extension TrainingState {
    /// Reads the attributes of `/state`.
    init(from group: borrowing Group) throws {
        step = try group.intAttribute("step")
        epoch = try group.intAttribute("epoch")
        stepInEpoch = try group.intAttribute("step_in_epoch")
        jets = try group.intAttribute("jets")
        lossSums = try group.doublesAttribute("loss_sums")
        lossSteps = try group.intsAttribute("loss_steps")
        rows = try group.intAttribute("rows")
        skippedSteps = try group.intAttribute("skipped_steps")
        skippedInARow = try group.intAttribute("skipped_in_a_row")
        if group.hasAttribute("selecting_term") { selectingTerm = try group.stringAttribute("selecting_term") }
        if group.hasAttribute("lowest_loss") { lowest = try group.doubleAttribute("lowest_loss") }
        if group.hasAttribute("validations_since_lowest") {
            sinceLowest = try group.intAttribute("validations_since_lowest")
        }
        if group.hasAttribute("best_step") {
            best = Best(step: try group.intAttribute("best_step"), loss: try group.doubleAttribute("best_loss"))
        }
    }

    /// Writes the attributes of `/state`.
    func save(to group: borrowing Group) throws {
        try group.setAttribute("step", to: step)
        try group.setAttribute("epoch", to: epoch)
        try group.setAttribute("step_in_epoch", to: stepInEpoch)
        try group.setAttribute("jets", to: jets)
        try group.setAttribute("loss_sums", to: lossSums)
        try group.setAttribute("loss_steps", to: lossSteps)
        try group.setAttribute("rows", to: rows)
        try group.setAttribute("skipped_steps", to: skippedSteps)
        try group.setAttribute("skipped_in_a_row", to: skippedInARow)
        if let selectingTerm { try group.setAttribute("selecting_term", to: selectingTerm) }
        if let lowest { try group.setAttribute("lowest_loss", to: lowest) }
        try group.setAttribute("validations_since_lowest", to: sinceLowest)
        guard let best else { return }
        try group.setAttribute("best_step", to: best.step)
        try group.setAttribute("best_loss", to: best.loss)
    }
}
