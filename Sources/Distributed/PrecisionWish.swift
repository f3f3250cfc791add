import Foundation
import MPI
import System
import Tensors

/// `parallel.precision`: what the configuration asks the matrix products to multiply.
package enum PrecisionWish: String, CaseIterable, Sendable {
    case single = "fp32"
    case bfloat16 = "bf16"
    /// bfloat16 numbers where the processors of all ranks multiply them.
    case auto

    /// What all ranks multiply; warns where that is not what was asked for. All use tiles, or none: a jet counts the
    /// same on every rank. Collective.
    package func precision(on communicator: Communicator, console: Console) throws -> Precision {
        guard self != .single else { return .single }
        let choice = try communicator.agree {
            try BFloat16Instructions.choice(ProcessInfo.processInfo.environment["KAON_BF16_PRODUCTS"])
        }
        let all = try communicator.allGather([Precision.hasBFloat16 ? 1 : 0, choice == .tiles ? 1 : 0])
        BFloat16Instructions.inUse = all.allSatisfy { $0[1] == 1 } ? .tiles : .vectors
        let able = all.map { $0[0] == 1 }
        let (precision, warning) = precision(able: able, hosts: try communicator.allGather(MPIEnvironment.processorName))
        if let warning { console.warn(warning) }
        return precision
    }

    /// What is multiplied by ranks on these hosts that are `able` to multiply bfloat16 numbers or not, and a sentence where
    /// that is not what was asked for.
    package func precision(able: [Bool], hosts: [String]) -> (Precision, warning: String?) {
        guard self != .single else { return (.single, nil) }
        guard let first = able.firstIndex(of: false) else { return (.bfloat16, nil) }
        guard self == .bfloat16 else { return (.single, nil) }
        return (
            .single,
            "parallel.precision is bf16, but the processor of \(hosts[first]) does not multiply bfloat16 numbers "
                + "(AVX512-BF16): this run multiplies in fp32"
        )
    }
}
