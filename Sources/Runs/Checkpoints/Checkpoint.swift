import Foundation
import HDF5
import NN
import System
import Tensors

/// Where a run stands between two steps.
package struct TrainingState: Equatable {
    /// Steps done.
    package var step = 0
    package var epoch = 0
    /// Batches of this epoch that are done.
    package var stepInEpoch = 0
    /// Jets seen in all epochs.
    package var jets = 0
    /// Sums of what every column of the metrics told since the last logged row, and the steps in each.
    package var lossSums: [Double] = []
    package var lossSteps: [Int] = []
    /// Rows of `metrics.csv` so far.
    package var rows = 0
    /// Steps without an update since the last logged row, and at the end of the steps so far.
    package var skippedSteps = 0
    package var skippedInARow = 0
    /// The checkpoint of the lowest validation loss.
    package var best: Best?
    /// The lowest loss of all validations that were due, and how many of them have come since.
    package var lowest: Double?
    package var sinceLowest = 0

    /// A checkpoint by its step, and the validation loss that was measured there.
    package struct Best: Equatable, Sendable {
        package var step: Int
        package var loss: Double

        package init(step: Int, loss: Double) {
            self.step = step
            self.loss = loss
        }
    }

    package init() {}
}

/// All that training changes, at one step.
package struct TrainedValues: Sendable {
    /// The flat buffers of a `ParameterStore` and its `AdamW`.
    package let parameters, firstMoment, secondMoment: Tensor
    package let updates: [Int]

    /// The values themselves, which the next step changes.
    package init(of parameters: ParameterStore, _ optimizer: AdamW) {
        self.parameters = parameters.values
        firstMoment = optimizer.firstMoment
        secondMoment = optimizer.secondMoment
        updates = optimizer.updates
    }

    /// A copy, in the memory of an earlier one that is no longer needed.
    package init(copying values: TrainedValues, reusing memory: TrainedValues? = nil) {
        func copy(_ tensor: Tensor, to old: Tensor?) -> Tensor {
            let result = old ?? Tensor(shape: tensor.shape)
            result.pointer.update(from: tensor.pointer, count: tensor.count)
            return result
        }
        parameters = copy(values.parameters, to: memory?.parameters)
        firstMoment = copy(values.firstMoment, to: memory?.firstMoment)
        secondMoment = copy(values.secondMoment, to: memory?.secondMoment)
        updates = values.updates
    }

    /// Whether all values are numbers.
    package var isFinite: Bool {
        [parameters, firstMoment, secondMoment].allSatisfy { $0.sumOfSquares.isFinite }
    }
}

/// One file with everything that a run needs to go on: `/model`, `/optimizer`, `/state`, and the
/// configuration.
///
/// Everything in it carries checksums that are compared on reading: Fletcher-32 for what is stored, and one for the
/// values of each dataset and the attributes of each group. A file is written under a temporary name, brought
/// to the disk and renamed: it is complete or absent.
package enum Checkpoint {
    private static let format = 2

    /// Writes a checkpoint; `writeState` adds what else the run needs to `/state`.
    package static func write(
        to path: String, parameters: ParameterStore, optimizer: AdamW, state: TrainingState,
        configuration: String,
        writeState: (borrowing Group) throws -> Void
    ) throws {
        try write(
            to: path, parameters, TrainedValues(of: parameters, optimizer), state: state,
            configuration: configuration, writeState: writeState)
    }

    /// Writes a checkpoint of values that may be a copy of those in the store.
    package static func write(
        to path: String, _ parameters: ParameterStore, _ values: TrainedValues, state: TrainingState,
        configuration: String, writeState: (borrowing Group) throws -> Void
    ) throws {
        try replaceFile(path, isSealed: true) { root in
            try root.setAttribute("kaon", to: kaonVersion)
            try root.setAttribute("format", to: format)
            try root.setAttribute("configuration", to: configuration)
            try root.sealAttributes()
            try write(parameters, values: values.parameters, to: root.createGroup("model"))
            let group = try root.createGroup("optimizer")
            try group.setAttribute("updates", to: values.updates)
            try group.sealAttributes()
            try write(parameters, values: values.firstMoment, to: group.createGroup("first_moment"))
            try write(parameters, values: values.secondMoment, to: group.createGroup("second_moment"))
            let stateGroup = try root.createGroup("state")
            try write(state, to: stateGroup)
            try writeState(stateGroup)
            try stateGroup.sealAttributes()
        }
    }

    private static func write(_ state: TrainingState, to group: borrowing Group) throws {
        try group.setAttribute("step", to: state.step)
        try group.setAttribute("epoch", to: state.epoch)
        try group.setAttribute("step_in_epoch", to: state.stepInEpoch)
        try group.setAttribute("jets", to: state.jets)
        try group.setAttribute("loss_sums", to: state.lossSums)
        try group.setAttribute("loss_steps", to: state.lossSteps)
        try group.setAttribute("rows", to: state.rows)
        try group.setAttribute("skipped_steps", to: state.skippedSteps)
        try group.setAttribute("skipped_in_a_row", to: state.skippedInARow)
        if let lowest = state.lowest { try group.setAttribute("lowest_loss", to: lowest) }
        try group.setAttribute("validations_since_lowest", to: state.sinceLowest)
        guard let best = state.best else { return }
        try group.setAttribute("best_step", to: best.step)
        try group.setAttribute("best_loss", to: best.loss)
    }

    private static func readState(from group: borrowing Group) throws -> TrainingState {
        var state = TrainingState()
        state.step = try group.intAttribute("step")
        state.epoch = try group.intAttribute("epoch")
        state.stepInEpoch = try group.intAttribute("step_in_epoch")
        state.jets = try group.intAttribute("jets")
        state.lossSums = try group.doublesAttribute("loss_sums")
        state.lossSteps = try group.intsAttribute("loss_steps")
        state.rows = try group.intAttribute("rows")
        state.skippedSteps = try group.intAttribute("skipped_steps")
        state.skippedInARow = try group.intAttribute("skipped_in_a_row")
        if group.hasAttribute("lowest_loss") { state.lowest = try group.doubleAttribute("lowest_loss") }
        if group.hasAttribute("validations_since_lowest") {
            state.sinceLowest = try group.intAttribute("validations_since_lowest")
        }
        if group.hasAttribute("best_step") {
            state.best = TrainingState.Best(
                step: try group.intAttribute("best_step"), loss: try group.doubleAttribute("best_loss"))
        }
        return state
    }

    /// Reads all of a checkpoint and compares it with its checksums.
    ///
    /// Throws `HDF5Error` where it is missing or damaged, `KaonError` where it is none of this version.
    package static func verify(_ path: String) throws {
        let file = try openSealed(path)
        try file.root.verify()
        try checkFormat(file.root, path)
    }

    /// Reads a checkpoint into a model of the same parameters and returns where the run stood; `readState`
    /// sees `/state` before any parameter is read.
    ///
    /// Throws `KaonError` when the file is no checkpoint or one of another model, `HDF5Error` when it is
    /// damaged, and what `readState` throws.
    package static func read(
        from path: String, parameters: ParameterStore, optimizer: AdamW,
        readState: (borrowing Group) throws -> Void
    ) throws -> TrainingState {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        let stateGroup = try file.root.group("state")
        try stateGroup.verifyAttributes()
        try readState(stateGroup)
        try readModel(file.root, path, parameters)
        let group = try file.root.group("optimizer")
        try read(parameters, into: optimizer.firstMoment, from: group.group("first_moment"), path)
        try read(parameters, into: optimizer.secondMoment, from: group.group("second_moment"), path)
        try group.verifyAttributes()
        let updates = try group.intsAttribute("updates")
        guard updates.count == optimizer.updates.count else {
            throw KaonError(
                "\(path) has \(updates.count) groups of parameters; this run has \(optimizer.updates.count)")
        }
        optimizer.updates = updates
        return try Self.readState(from: stateGroup)
    }

    /// Reads the weights alone.
    package static func readWeights(from path: String, into parameters: ParameterStore) throws {
        if let export = try export(path) { return try export.readWeights(into: parameters) }
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        try readModel(file.root, path, parameters)
    }

    /// Reads the weights that a run begins with: all, or, from an exported backbone, those of the backbone. The number
    /// of parameters that were read.
    package static func readInitialWeights(from path: String, into parameters: ParameterStore) throws -> Int {
        if let export = try export(path) { return try export.readInitialWeights(into: parameters) }
        try readWeights(from: path, into: parameters)
        return parameters.parameters.count
    }

    /// Reads the weights of a group of parameters, which the checkpoint may have among others.
    package static func readWeights(from path: String, into parameters: ParameterStore, group: String) throws {
        if let export = try export(path) { return try export.readWeights(into: parameters, group: group) }
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        let model = try file.root.group("model")
        for part in parameters.groups where part.name == group {
            for parameter in parameters.parameters[part.parameters] {
                guard model.contains(parameter.name) else {
                    throw KaonError("\(path) has no backbone like that of model: it lacks \(parameter.name)")
                }
                try read(parameter, into: parameters.values, from: model, path)
            }
        }
    }

    /// What a checkpoint knows besides the weights.
    package static func fittedState(of path: String) throws -> FittedState {
        if let export = try export(path) { return try export.fittedState }
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        return try FittedState(from: file.root.group("state"))
    }

    /// The configuration that a checkpoint was trained with.
    package static func configuration(of path: String) throws -> String {
        if let export = try export(path) { return try export.configuration }
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        return try file.root.stringAttribute("configuration")
    }

    /// The steps that a model was trained for.
    package static func step(of path: String) throws -> Int {
        let file = try openSealed(path)
        try checkFormat(file.root, path)
        return try file.root.group("state").intAttribute("step")
    }

    /// The model in a safetensors file, which serves wherever a checkpoint is asked for its model; nil where the path
    /// is none of those.
    private static func export(_ path: String) throws -> ExportedModel? {
        ExportedModel.isExport(path) ? try ExportedModel(contentsOf: path) : nil
    }

    /// Throws `KaonError` unless the file is a checkpoint that this version reads.
    package static func checkFormat(_ root: borrowing Group, _ path: String) throws {
        guard root.contains("model"), root.hasAttribute("format") else {
            throw KaonError("\(path) is not a checkpoint of kaon")
        }
        try root.verifyAttributes()
        let found = try root.intAttribute("format")
        guard found == format else {
            throw KaonError("\(path) has checkpoint format \(found); this kaon reads format \(format)")
        }
    }

    private static func readModel(
        _ root: borrowing Group, _ path: String, _ parameters: ParameterStore
    ) throws {
        let model = try root.group("model")
        let stored = Set(try model.children.map(\.name))
        let wanted = Set(parameters.parameters.map(\.name))
        if let missing = wanted.subtracting(stored).min() {
            throw KaonError("\(path) is a checkpoint of another model: it has no parameter \(missing)")
        }
        if let surplus = stored.subtracting(wanted).min() {
            throw KaonError("\(path) is a checkpoint of another model: it has a parameter \(surplus)")
        }
        try read(parameters, into: parameters.values, from: model, path)
    }

    private static func write(
        _ parameters: ParameterStore, values: Tensor, to group: borrowing Group
    ) throws {
        for parameter in parameters.parameters {
            let slice = values.slice(parameter.range, shape: parameter.shape)
            try group.writeVerified(
                UnsafeBufferPointer(slice.buffer), shape: slice.shape, as: parameter.name)
        }
    }

    private static func read(
        _ parameters: ParameterStore, into values: Tensor, from group: borrowing Group, _ path: String
    ) throws {
        for parameter in parameters.parameters { try read(parameter, into: values, from: group, path) }
    }

    private static func read(
        _ parameter: Parameter, into values: Tensor, from group: borrowing Group, _ path: String
    ) throws {
        let dataset = try group.dataset(parameter.name)
        guard dataset.shape == parameter.shape else {
            throw KaonError(
                "\(path) is a checkpoint of another model: \(parameter.name) has shape \(dataset.shape), "
                    + "this model has \(parameter.shape)")
        }
        let slice = values.slice(parameter.range, shape: parameter.shape)
        try dataset.readVerified(into: slice.buffer)
    }
}

/// Opens an HDF5 file that was written whole, after a look at all of its bytes. Throws `HDF5Error`, and `KaonError`
/// for the folder of a run.
package func openSealed(_ path: String) throws -> File {
    try checkIsNoRun(path)
    try FileSeal.verify(path)
    return try File(opening: path)
}

/// Throws `KaonError` where a path is the folder of a run, which is easily taken for its checkpoints.
package func checkIsNoRun(_ path: String) throws {
    let latest = path + "/checkpoints/latest"
    guard FileManager.default.fileExists(atPath: latest) else { return }
    throw KaonError("\(path) is the folder of a run; name one of its checkpoints, such as \(latest)")
}
