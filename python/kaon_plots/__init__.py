"""Plots of what kaon's files hold."""
