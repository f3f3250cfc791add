/// Receives the begin and end of each message of a gradient sum, for a trace.
package protocol SumObserver: AnyObject {
    /// Message `number` of this step has been started.
    func sumDidBegin(_ number: Int, elements: Int)
    /// Message `number` of this step has been summed; at most `inFlight` are in flight at a time.
    func sumDidEnd(_ number: Int, inFlight: Int)
}
