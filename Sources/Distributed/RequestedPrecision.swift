import Foundation
import MPI
import System
import Tensors

/// `parallel.precision`: the number format of the inputs of matrix products, as configured.
package enum RequestedPrecision: String, CaseIterable, Sendable {
    case single = "fp32"
    case bfloat16 = "bf16"
    /// bfloat16 where the processors of all ranks support it, single precision elsewhere.
    case auto

    /// Resolves the request for all ranks, and prints a warning where it cannot be met; collective.
    ///
    /// All ranks use AMX tiles or none does, so that results do not depend on the rank that computes a jet.
    /// Throws `AgreedError` where `KAON_BF16_PRODUCTS` is invalid or names instructions that a processor lacks.
    package func precision(on communicator: Communicator, console: Console) throws -> Precision {
        guard self != .single else { return .single }
        let choice = try communicator.agree {
            try BFloat16Instructions.choice(ProcessInfo.processInfo.environment["KAON_BF16_PRODUCTS"])
        }
        let all = try communicator.allGather([Precision.hasBFloat16 ? 1 : 0, choice == .tiles ? 1 : 0])
        BFloat16Instructions.inUse = all.allSatisfy { $0[1] == 1 } ? .tiles : .vectors
        let isSupported = all.map { $0[0] == 1 }
        let (precision, warning) = precision(
            isSupported: isSupported, hosts: try communicator.allGather(MPIEnvironment.processorName))
        if let warning { console.warn(warning) }
        return precision
    }

    /// The precision of all ranks, and a warning where it is not the requested one.
    ///
    /// - Parameters:
    ///   - isSupported: for each rank, true if its processor multiplies bfloat16 numbers.
    ///   - hosts: the host of each rank.
    package func precision(isSupported: [Bool], hosts: [String]) -> (Precision, warning: String?) {
        guard self != .single else { return (.single, nil) }
        guard let first = isSupported.firstIndex(of: false) else { return (.bfloat16, nil) }
        guard self == .bfloat16 else { return (.single, nil) }
        return (
            .single,
            "parallel.precision is bf16, but the processor of \(hosts[first]) does not support bfloat16 products "
                + "(AVX512-BF16): this run uses fp32"
        )
    }
}
