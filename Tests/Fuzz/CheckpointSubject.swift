import Commands
import Foundation
import HDF5
import Jets
import NN
import Runs

/// A checkpoint, for `inspect` and for a run that is continued.
///
/// Half of the inputs are damaged, which has to be detected. In the others the checksums are recomputed after the
/// damage, to test the readers behind them.
struct CheckpointSubject: Subject {
    private let path: String
    private let valid: [UInt8]
    private let state: TrainingState
    private let parameters: ParameterStore
    private let optimizer: AdamW
    private let values: [UInt32]

    init(_ folder: String) throws {
        path = folder + "/input.h5"
        let builder = ParameterBuilder()
        for (name, shape) in [
            ("encoder.weight", [6, 4]), ("encoder.bias", [6]), ("heads.kmeans.weight", [3, 6]),
        ] {
            _ = builder.root.parameter(name, shape: shape, .normal(deviation: 1))
        }
        parameters = builder.build(seed: 1)
        optimizer = AdamW(parameters)
        optimizer.state.updates = [12]
        var state = TrainingState()
        state.step = 12
        state.epoch = 1
        state.lossSums = [0.5, 0.25]
        state.best = TrainingState.Best(step: 10, loss: 0.5)
        self.state = state
        let quantiles = (0..<3 * 7).map { Double($0) }
        let preprocessing = try QuantilePreprocessing(quantiles: quantiles)
        try Checkpoint.write(
            to: path, parameters: parameters, values: TrainedValues(of: optimizer), state: state,
            configuration: "seed: 1\ntraining: {steps: 12}\n"
        ) {
            try preprocessing.save(to: $0.createGroup("preprocessing"))
            try $0.setAttribute("order", to: "6 jets in batches of 2")
        }
        valid = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        values = Self.bits(parameters, optimizer)
    }

    func tryInput(_ random: inout SplitMix) throws {
        var bytes = valid
        Mutation.apply(to: &bytes, &random)
        let isRepaired = random.oneIn(2)
        if isRepaired { HDF5Checksums.repair(&bytes) }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        if isRepaired { try FileSeal.write(to: path) }

        var complaints: [any Error] = []
        do { _ = try inspect([path]) } catch { complaints.append(error) }
        do {
            try Checkpoint.verify(path)
            var order = ""
            let found = try Checkpoint.read(from: path, into: optimizer) {
                _ = try QuantilePreprocessing(from: $0.group("preprocessing"))
                order = try $0.stringAttribute("order")
            }
            _ = try Checkpoint.configuration(of: path)
            guard isRepaired || bytes == valid else { throw Fault(description: "the damage was not detected") }
            guard
                isRepaired
                    || found == state && order.hasPrefix("6 jets")
                        && Self.bits(parameters, optimizer) == values
            else { throw Fault(description: "the contents differ from those that were written") }
        } catch let fault as Fault {
            throw fault
        } catch { complaints.append(error) }
        for error in complaints {
            if let fault = complaint(about: "\(error)") { throw Fault(description: fault) }
        }
        if let last = complaints.last { throw last }
    }

    private static func bits(_ parameters: ParameterStore, _ optimizer: AdamW) -> [UInt32] {
        [parameters.values, optimizer.firstMoment, optimizer.secondMoment].flatMap {
            $0.array.map(\.bitPattern)
        }
            + optimizer.state.updates.map { UInt32($0) }
    }
}
